"""The forms: what is asked, and one sentence for everything that may be wrong with it."""

from __future__ import annotations

from collections.abc import Callable

from flask_wtf import FlaskForm
from wtforms import EmailField, Field, Form, HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from boinc_project.errors import InputError
from server.services.accounts import check_email, check_name

MAX_PASSWORD = 1000
"""Characters; far above any password manager's, far below what costs time to hash."""

_PASSWORD_LENGTH = Length(
    max=MAX_PASSWORD, message=f"The password may have at most {MAX_PASSWORD} characters."
)


def _by(check: Callable[[str], str]) -> Callable[[Form, Field], None]:
    """Make a validator of one of the accounts' own checks: pages and clients have one rule."""

    def validate(form: Form, field: Field) -> None:
        del form
        try:
            check(field.data or "")
        except InputError as error:
            raise ValidationError(error.message) from None

    return validate


class LoginForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """E-mail address and password."""

    email = EmailField(
        "E-mail address",
        validators=[InputRequired("Please give your e-mail address.")],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        "Password",
        validators=[InputRequired("Please give your password."), _PASSWORD_LENGTH],
        render_kw={"autocomplete": "current-password"},
    )
    next = HiddenField()


class CreateAccountForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A new account."""

    name = StringField(
        "Your name",
        description="It need not be your real name.",
        validators=[InputRequired("Please choose a name."), _by(check_name)],
        render_kw={"autocomplete": "nickname"},
    )
    email = EmailField(
        "E-mail address",
        description="You log in with it. It is never shown to anybody.",
        validators=[InputRequired("Please give your e-mail address."), _by(check_email)],
        render_kw={"autocomplete": "email"},
    )
    password = PasswordField(
        "Password",
        validators=[InputRequired("Please choose a password."), _PASSWORD_LENGTH],
        render_kw={"autocomplete": "new-password"},
    )

    def __init__(self, *, min_password_length: int) -> None:
        super().__init__()
        self.min_password_length = min_password_length
        self.password.description = f"At least {min_password_length} characters."

    def validate_password(self, field: Field) -> None:
        """Refuse passwords shorter than the project's settings allow."""
        if len(field.data) < self.min_password_length:
            raise ValidationError(
                f"The password has {len(field.data)} characters; "
                f"at least {self.min_password_length} are needed."
            )


class EmptyForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A button: nothing but the proof that it was pressed on one of our pages."""
