"""The declarative base, and the types every table uses.

Times are epoch seconds (UTC, float), as in BOINC's own tables: the client's clock, the deadline on
the wire and the life-cycle machine all speak them, so nothing is converted on the hot path. Pages
and the API turn them into aware datetimes.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

from sqlalchemy import JSON, Integer, MetaData, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

JsonType = JSON().with_variant(JSONB(), "postgresql")


class Base(DeclarativeBase):
    """Base of all tables; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class IntEnumType(TypeDecorator[int]):
    """An IntEnum or IntFlag stored as its number."""

    impl = Integer
    cache_ok = True

    def __init__(self, kind: type[IntEnum] | type[IntFlag]) -> None:
        self.kind = kind
        super().__init__()

    def process_bind_param(self, value: Any, dialect: Any) -> int | None:
        """Store the number."""
        del dialect
        return None if value is None else int(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Return the enum member."""
        del dialect
        return None if value is None else self.kind(value)
