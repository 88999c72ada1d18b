"""The contract kit tells whether an application keeps what `boinc_project.application` asks.

``openastro app test NAME`` computes a small campaign in real processes, under the client's end of
the channels, kills and disturbs them, and puts forged outputs before the application's judge. All
limits are CPU seconds of the app's own process, so a busy machine makes it slower and not stricter.
"""
