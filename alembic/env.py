"""Runs migrations on the catalog that the caller names; alembic loads this file."""

from sqlalchemy import create_engine

from alembic import context
from poparchive.index.schema import metadata

url = context.config.attributes.get("url") or context.config.get_main_option("sqlalchemy.url")
engine = create_engine(str(url))
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
