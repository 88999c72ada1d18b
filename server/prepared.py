"""Statements that are compiled once and run on the driver's cursor.

SQLAlchemy's own execution costs some 45 microseconds of Python a statement, four times what SQLite
needs for it; an RPC has a dozen. Compiling once keeps its SQL for both databases and its column
types, and leaves the rest out: values go in as they are (numbers, texts, None), rows come out as
named tuples with the project's enumerations.
"""

from __future__ import annotations

import keyword
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Executable
from sqlalchemy.exc import OperationalError

from server.models.base import IntEnumType

Values = Mapping[str, Any]


class Prepared:
    """One statement, compiled for a database when it is first run there.

    Parameters
    ----------
    statement : Executable
        A Core statement whose parameters are all named and none expanding; a function of the
        dialect's name where the databases need different ones.
    """

    def __init__(self, statement: Executable | Callable[[str], Executable]) -> None:
        self._statement = statement
        self._forms: dict[str, _Form] = {}

    def all(self, connection: Connection, values: Values) -> list[Any]:
        """Return all rows."""
        form = self._form(connection)
        cursor = form.execute(connection, values)
        try:
            return [form.row(values) for values in cursor.fetchall()]
        finally:
            cursor.close()

    def first(self, connection: Connection, values: Values) -> Any | None:
        """Return the first row, or None."""
        rows = self.all(connection, values)
        return rows[0] if rows else None

    def run(self, connection: Connection, values: Values) -> int:
        """Run a statement that changes rows; returns how many it changed."""
        cursor = self._form(connection).execute(connection, values)
        try:
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def run_many(self, connection: Connection, values: Sequence[Values]) -> None:
        """Run a statement that changes rows, for several sets of values."""
        self._form(connection).execute_many(connection, values)

    def _form(self, connection: Connection) -> _Form:
        dialect = connection.dialect
        form = self._forms.get(dialect.name)
        if form is None:
            statement = self._statement
            chosen = statement(dialect.name) if callable(statement) else statement
            form = self._forms[dialect.name] = _Form(chosen, dialect)
        return form


class _Form:
    """A statement's text and columns for one database."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup if compiled.positional else None
        self._defaults = {
            name: value for name, value in compiled.params.items() if value is not None
        }
        columns = list(getattr(statement, "selected_columns", ()))
        names = [column.name + "_" * keyword.iskeyword(column.name) for column in columns]
        row: Any = namedtuple("Row", names)  # type: ignore[misc] # known only now
        self._make = row._make
        self._enums = [
            (index, column.type.kind)
            for index, column in enumerate(columns)
            if isinstance(column.type, IntEnumType)
        ]

    def row(self, values: Sequence[Any]) -> Any:
        """Return a row with its enumerations."""
        if self._enums:
            values = list(values)
            for index, kind in self._enums:
                if values[index] is not None:
                    values[index] = kind(values[index])
        return self._make(values)

    def execute(self, connection: Connection, values: Values) -> Any:
        """Run the statement; returns the driver's cursor."""
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self._sql, self._arranged(values))
        except _driver_error(connection) as error:
            cursor.close()
            raise OperationalError(self._sql, None, error) from error
        return cursor

    def execute_many(self, connection: Connection, values: Sequence[Values]) -> None:
        """Run the statement for several sets of values."""
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(self._sql, [self._arranged(one) for one in values])
        except _driver_error(connection) as error:
            raise OperationalError(self._sql, None, error) from error
        finally:
            cursor.close()

    def _arranged(self, values: Values) -> Any:
        if self._defaults:
            values = {**self._defaults, **values}
        return values if self._order is None else [values[name] for name in self._order]


def _driver_error(connection: Connection) -> type[Exception]:
    error: type[Exception] = connection.dialect.dbapi.Error  # type: ignore[union-attr]
    return error
