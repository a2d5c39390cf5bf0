"""Runs migrations on the catalog that the caller names; alembic loads this file."""

from typing import Any

from sqlalchemy import Connection, create_engine, event

from alembic import context
from poparchive.index.schema import metadata

url = context.config.attributes.get("url") or context.config.get_main_option("sqlalchemy.url")
engine = create_engine(str(url))


@event.listens_for(engine, "connect")
def _leave_transactions_to_us(connection: Any, _: object) -> None:
    # The driver begins none before CREATE TABLE: a migration that was cut would stay half done.
    connection.isolation_level = None


@event.listens_for(engine, "begin")
def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
