"""A new application: a small package that works as it is, made of the files in ``template``."""
