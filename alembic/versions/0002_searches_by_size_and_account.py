"""Searches by size and account: the few large messages, and an account's newest, are found by an index"""

import sqlalchemy as sa

from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_messages_size_bytes', 'messages', ['size_bytes'])
    op.create_index(
        'ix_uidls_account_message',
        'uidls',
        ['account', 'message'],
        sqlite_where=sa.text('message IS NOT NULL'),
    )


def downgrade() -> None:
    op.drop_index('ix_uidls_account_message', table_name='uidls')
    op.drop_index('ix_messages_size_bytes', table_name='messages')
