"""Accounts on the web: create, log in, log out, and what belongs to who is logged in."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user

from boinc_project.errors import AuthError, InputError
from boinc_project.protocol.account import client_password_hash
from server.blueprints.web.blueprint import blueprint
from server.blueprints.web.forms import CreateAccountForm, EmptyForm, LoginForm
from server.blueprints.web.session import SessionUser, members_only, my_account, safe_next
from server.project import current_project
from server.services.accounts import (
    EmailTaken,
    NewAccount,
    log_in_with_password,
)
from server.services.accounts import (
    create_account as make_account,
)
from server.services.pages import account, computer, computers
from server.services.task_state import GROUP_LABELS, TaskGroup
from server.services.tasks_view import task, task_counts, tasks

FIELD_OF = {"name": "name", "email_addr": "email"}
"""Which field of the form a service's complaint belongs to."""


@blueprint.route("/create_account", methods=["GET", "POST"])
def create_account() -> ResponseReturnValue:
    """Make an account and log in."""
    web = current_project().settings.web
    if current_user.is_authenticated:
        return redirect(url_for("web.my_account_page"))
    form = CreateAccountForm(min_password_length=web.min_password_length)
    if not web.account_creation:
        return _form_page("account/create.html", form, 403, creation=False)
    if request.method == "GET":
        return _form_page("account/create.html", form, 200, creation=True)
    if not form.validate():
        return _form_page("account/create.html", form, 400, creation=True)
    project = current_project()
    new = NewAccount(
        email_addr=form.email.data,
        passwd_hash=client_password_hash(form.password.data, form.email.data.strip()),
        name=form.name.data,
    )
    try:
        user = make_account(project.database, new, now=project.clock())
    except InputError as error:
        field = getattr(form, FIELD_OF.get(error.data.get("field", ""), "name"))
        field.errors = [error.message]
        status = 409 if isinstance(error, EmailTaken) else 400
        return _form_page("account/create.html", form, status, creation=True)
    _open_session(user.id)
    flash("Welcome! Your account is ready. Now attach your computer to it.", "good")
    return redirect(url_for("web.my_account_page"), 303)


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """Log in."""
    form = LoginForm()
    if request.method == "GET":
        form.next.data = request.args.get("next", "")
        return _form_page("account/login.html", form, 200)
    if not form.validate():
        return _form_page("account/login.html", form, 400)
    project = current_project()
    try:
        user = log_in_with_password(project.database, form.email.data, form.password.data)
    except AuthError as error:
        form.password.errors = [error.message]
        return _form_page("account/login.html", form, 401)
    _open_session(user.id)
    return redirect(safe_next(form.next.data or ""), 303)


@blueprint.post("/logout")
def logout() -> ResponseReturnValue:
    """Log out; only our own button can do it."""
    if EmptyForm().validate():
        logout_user()
        flash("You are logged out.", "note")
    return redirect(url_for("web.home"), 303)


@blueprint.get("/account")
@members_only
def my_account_page() -> ResponseReturnValue:
    """Show the account: key, credit, counts."""
    mine, project = my_account(), current_project()
    return render_template(
        "account/overview.html",
        account=mine,
        computers=computers(project.database, mine.id, now=project.clock()),
        counts=task_counts(project.database, mine.id),
        group_labels=GROUP_LABELS,
        flashes=True,
    )


@blueprint.get("/computers")
@members_only
def my_computers() -> ResponseReturnValue:
    """List the volunteer's computers."""
    project = current_project()
    mine = computers(project.database, my_account().id, now=project.clock())
    return render_template("account/computers.html", computers=mine)


@blueprint.get("/computers/<int:hostid>")
@members_only
def my_computer(hostid: int) -> ResponseReturnValue:
    """Show one of the volunteer's computers."""
    project = current_project()
    mine = computer(project.database, my_account().id, hostid, now=project.clock())
    if mine is None:
        abort(404, "You have no computer with this number.")
    return render_template("account/computer.html", computer=mine)


@blueprint.get("/tasks")
@members_only
def my_tasks() -> ResponseReturnValue:
    """List the volunteer's tasks, newest first."""
    project = current_project()
    group, hostid, before = _group(), _number("computer"), _number("before")
    page = tasks(
        project.database,
        my_account().id,
        now=project.clock(),
        group=group,
        hostid=hostid,
        before=before,
    )
    return render_template(
        "account/tasks.html",
        page=page,
        group=group,
        hostid=hostid,
        before=before,
        group_labels=GROUP_LABELS,
    )


@blueprint.get("/tasks/<int:resultid>")
@members_only
def my_task(resultid: int) -> ResponseReturnValue:
    """Show one of the volunteer's tasks."""
    project = current_project()
    mine = task(project.database, my_account().id, resultid, now=project.clock())
    if mine is None:
        abort(404, "You have no task with this number.")
    return render_template("account/task.html", task=mine)


@blueprint.get("/home.php")
def stock_home() -> ResponseReturnValue:
    """Lead from the address that BOINC Managers know to the account page."""
    return redirect(url_for("web.my_account_page"))


@blueprint.get("/results.php")
def stock_results() -> ResponseReturnValue:
    """Lead from the address that BOINC Managers know to the task list."""
    return redirect(url_for("web.my_tasks", computer=_number("hostid")))


def _open_session(userid: int) -> None:
    project = current_project()
    view = account(project.database, userid, now=project.clock())
    assert view is not None
    login_user(SessionUser(view))


def _form_page(template: str, form: object, status: int, **more: object) -> ResponseReturnValue:
    return render_template(template, form=form, flashes=True, **more), status


def _group() -> TaskGroup | None:
    word = request.args.get("state", "")
    if not word:
        return None
    try:
        return TaskGroup(word)
    except ValueError:
        abort(400, f"There is no state of that name; there are: {', '.join(TaskGroup)}.")


def _number(name: str) -> int | None:
    word = request.args.get(name, "")
    if not word:
        return None
    if not (word.isascii() and word.isdigit() and len(word) <= 18):
        abort(400, f"{name} must be a whole number.")
    return int(word)
