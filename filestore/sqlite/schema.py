"""The tables, as the steps that lead from an empty file to today's; a step, once released, never changes.

`PRAGMA user_version` counts the steps a file has taken. Moments are milliseconds since 1970, UTC; settings,
outputs and lists are JSON text.
"""

_FIRST = (
    """CREATE TABLE user_files (
        file_id TEXT PRIMARY KEY,
        user_id INTEGER NOT NULL,
        session_id TEXT NOT NULL,
        filename TEXT NOT NULL,
        version INTEGER NOT NULL,
        blob_key TEXT NOT NULL UNIQUE,
        file_size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        file_type TEXT NOT NULL,
        source TEXT NOT NULL,
        uploaded_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        cell INTEGER,
        UNIQUE (user_id, session_id, filename, version)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX files_by_user ON user_files (user_id, uploaded_at, file_id)",
    "CREATE INDEX files_by_expiry ON user_files (expires_at)",
    """CREATE TABLE shares (
        file_id TEXT NOT NULL REFERENCES user_files ON DELETE CASCADE,
        user_id INTEGER NOT NULL,
        PRIMARY KEY (file_id, user_id)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX shares_by_user ON shares (user_id)",
    """CREATE TABLE counters (
        session_id TEXT PRIMARY KEY,
        seq INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE entries (
        session_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('said', 'cell')),
        place TEXT NOT NULL,
        author TEXT NOT NULL,
        text TEXT NOT NULL,
        at INTEGER NOT NULL,
        status TEXT,
        execution_time REAL,
        execution_count INTEGER,
        file_ids TEXT NOT NULL DEFAULT '[]',
        PRIMARY KEY (session_id, seq)
    ) STRICT""",
    """CREATE TABLE outputs (
        session_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        position INTEGER NOT NULL,
        json TEXT NOT NULL,
        PRIMARY KEY (session_id, seq, position),
        FOREIGN KEY (session_id, seq) REFERENCES entries ON DELETE CASCADE
    ) STRICT""",
    """CREATE TABLE sessions (
        session_id TEXT PRIMARY KEY,
        user_id INTEGER NOT NULL,
        place TEXT NOT NULL,
        kernel TEXT,
        settings TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        last_used_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX sessions_by_user ON sessions (user_id, last_used_at)",
    "CREATE INDEX sessions_by_use ON sessions (last_used_at)",
    """CREATE TABLE usage (
        user_id INTEGER NOT NULL,
        at INTEGER NOT NULL,
        model TEXT NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cost REAL NOT NULL,
        cell_seconds REAL NOT NULL
    ) STRICT""",
    "CREATE INDEX usage_by_user ON usage (user_id, at)",
    """CREATE TABLE server_settings (
        server_id INTEGER PRIMARY KEY,
        settings TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE message_cells (
        message_id INTEGER PRIMARY KEY,
        session_id TEXT NOT NULL,
        seq INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX messages_by_session ON message_cells (session_id)",
)

_CHANNELS = ("ALTER TABLE message_cells ADD COLUMN channel_id INTEGER NOT NULL DEFAULT 0",)

_ANSWERS = ("ALTER TABLE message_cells ADD COLUMN first INTEGER NOT NULL DEFAULT 0",)

# Files of before are numbered by time, but for the versions of one name, which a clock may have misplaced.
_NUMBERS = (
    "ALTER TABLE user_files ADD COLUMN number INTEGER NOT NULL DEFAULT 0",
    """WITH times AS (
        SELECT file_id, user_id, version, max(uploaded_at) OVER (
            PARTITION BY user_id, session_id, filename ORDER BY version ROWS UNBOUNDED PRECEDING
        ) AS at FROM user_files
    ), numbered AS (
        SELECT file_id, row_number() OVER (PARTITION BY user_id ORDER BY at, version, file_id) AS number
        FROM times
    )
    UPDATE user_files SET number = numbered.number FROM numbered
    WHERE numbered.file_id = user_files.file_id""",
    "DROP INDEX files_by_user",
    "CREATE INDEX files_by_user ON user_files (user_id, number)",
)

_IDENTITY = (
    "CREATE TABLE identity (id TEXT NOT NULL) STRICT",
    "INSERT INTO identity VALUES (lower(hex(randomblob(16))))",
    """CREATE TABLE folders (
        folder TEXT PRIMARY KEY,
        run TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
)

_BATCHES = ("ALTER TABLE outputs ADD COLUMN batch TEXT NOT NULL DEFAULT ''",)

_UNFINISHED = ("CREATE INDEX unfinished_cells ON entries (session_id) WHERE status = 'running'",)

MIGRATIONS = (_FIRST, _CHANNELS, _ANSWERS, _NUMBERS, _IDENTITY, _BATCHES, _UNFINISHED)
