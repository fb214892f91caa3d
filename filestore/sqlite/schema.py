"""The tables, as the steps that lead from an empty file to today's. A released step never changes.

`PRAGMA user_version` counts the steps a file has taken. Moments are milliseconds since 1970, UTC; settings,
outputs and lists are JSON text.
"""

LARGE = 32 * 1024  # bytes; changing it takes a new step
# Until step 10, the characters of code or words up to which these did not count.
SMALL = 1024


def _counted(entries: str) -> str:
    """Everybody's sums, recounted, in the order of the columns of `people`; `entries` have `text_bytes`."""
    return f"""SELECT
    user_id, sum(files), sum(file_bytes), sum(text_bytes), sum(output_bytes), sum(large_bytes)
FROM (
    SELECT user_id, 1 AS files, file_size AS file_bytes, 0 AS text_bytes, 0 AS output_bytes, 0 AS large_bytes
    FROM user_files
    UNION ALL
    SELECT user_id, 0, 0, {entries}
    UNION ALL
    SELECT owner, 0, 0, 0, size, iif(size > {LARGE}, size, 0) FROM outputs WHERE owner IS NOT NULL
) GROUP BY user_id"""


COUNTED = _counted("length(text) + 256, 0, 0 FROM entries JOIN sessions USING (session_id)")

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

# Existing files are numbered by time, except that the versions of one name keep their order: a clock may have
# been wrong.
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

# What people have is kept as sums, which triggers change with the rows. From here on a row of `outputs` holds
# all outputs of one write, as a list. If they are large, it holds their short forms, and `outside` says how
# many outputs lie under `blob_key`. An older row holds one output, whatever its size.
_SUMS = (
    "ALTER TABLE user_files ADD COLUMN folder TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE entries ADD COLUMN folder TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX files_by_end ON user_files (user_id, expires_at, file_size)",
    "ALTER TABLE outputs ADD COLUMN owner INTEGER",
    "ALTER TABLE outputs ADD COLUMN size INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE outputs ADD COLUMN blob_key TEXT",
    "ALTER TABLE outputs ADD COLUMN outside INTEGER NOT NULL DEFAULT 0",
    """UPDATE outputs SET size = length(json),
       owner = (SELECT user_id FROM sessions WHERE sessions.session_id = outputs.session_id)""",
    f"CREATE INDEX large_outputs ON outputs (owner) WHERE size > {LARGE}",
    "CREATE UNIQUE INDEX outputs_outside ON outputs (blob_key) WHERE blob_key IS NOT NULL",
    """CREATE TABLE people (
        user_id INTEGER PRIMARY KEY,
        files INTEGER NOT NULL DEFAULT 0,
        file_bytes INTEGER NOT NULL DEFAULT 0,
        text_bytes INTEGER NOT NULL DEFAULT 0,
        output_bytes INTEGER NOT NULL DEFAULT 0,
        large_bytes INTEGER NOT NULL DEFAULT 0
    ) STRICT""",
    f"""INSERT INTO people {
        _counted(
            f"length(text), 0, 0 FROM entries JOIN sessions USING (session_id) WHERE length(text) > {SMALL}"
        )
    }""",
    """CREATE TRIGGER file_added AFTER INSERT ON user_files BEGIN
        INSERT INTO people (user_id, files, file_bytes) VALUES (NEW.user_id, 1, NEW.file_size)
        ON CONFLICT (user_id) DO UPDATE
        SET files = files + 1, file_bytes = file_bytes + excluded.file_bytes;
    END""",
    """CREATE TRIGGER file_removed AFTER DELETE ON user_files BEGIN
        UPDATE people SET files = files - 1, file_bytes = file_bytes - OLD.file_size
        WHERE user_id = OLD.user_id;
    END""",
    f"""CREATE TRIGGER entry_added AFTER INSERT ON entries WHEN length(NEW.text) > {SMALL} BEGIN
        INSERT INTO people (user_id, text_bytes)
        SELECT user_id, length(NEW.text) FROM sessions WHERE session_id = NEW.session_id
        ON CONFLICT (user_id) DO UPDATE SET text_bytes = text_bytes + excluded.text_bytes;
    END""",
    f"""CREATE TRIGGER entry_removed AFTER DELETE ON entries WHEN length(OLD.text) > {SMALL} BEGIN
        UPDATE people SET text_bytes = text_bytes - length(OLD.text)
        WHERE user_id = (SELECT user_id FROM sessions WHERE session_id = OLD.session_id);
    END""",
    f"""CREATE TRIGGER output_added AFTER INSERT ON outputs WHEN NEW.owner IS NOT NULL BEGIN
        INSERT INTO people (user_id, output_bytes, large_bytes)
        VALUES (NEW.owner, NEW.size, iif(NEW.size > {LARGE}, NEW.size, 0))
        ON CONFLICT (user_id) DO UPDATE
        SET output_bytes = output_bytes + excluded.output_bytes,
            large_bytes = large_bytes + excluded.large_bytes;
    END""",
    f"""CREATE TRIGGER output_removed AFTER DELETE ON outputs WHEN OLD.owner IS NOT NULL BEGIN
        UPDATE people SET output_bytes = output_bytes - OLD.size,
            large_bytes = large_bytes - iif(OLD.size > {LARGE}, OLD.size, 0)
        WHERE user_id = OLD.owner;
    END""",
    f"""CREATE TRIGGER output_shortened AFTER UPDATE OF size ON outputs WHEN OLD.owner IS NOT NULL BEGIN
        UPDATE people SET output_bytes = output_bytes + NEW.size - OLD.size,
            large_bytes = large_bytes
                + iif(NEW.size > {LARGE}, NEW.size, 0) - iif(OLD.size > {LARGE}, OLD.size, 0)
        WHERE user_id = OLD.owner;
    END""",
    """CREATE TRIGGER nothing_left AFTER UPDATE ON people
        WHEN NEW.files <= 0 AND NEW.file_bytes <= 0 AND NEW.text_bytes <= 0 AND NEW.output_bytes <= 0 BEGIN
        DELETE FROM people WHERE user_id = NEW.user_id;
    END""",
)

_TURNS = ("ALTER TABLE message_cells ADD COLUMN turn TEXT NOT NULL DEFAULT ''",)

# From here on every entry counts, with 256 bytes (`records.ENTRY`) for its row: a notebook that is run again
# has up to 10,000, however short.
_ENTRIES = (
    "DROP TRIGGER entry_added",
    "DROP TRIGGER entry_removed",
    """CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
        INSERT INTO people (user_id, text_bytes)
        SELECT user_id, length(NEW.text) + 256 FROM sessions WHERE session_id = NEW.session_id
        ON CONFLICT (user_id) DO UPDATE SET text_bytes = text_bytes + excluded.text_bytes;
    END""",
    """CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN
        UPDATE people SET text_bytes = text_bytes - length(OLD.text) - 256
        WHERE user_id = (SELECT user_id FROM sessions WHERE session_id = OLD.session_id);
    END""",
    "DELETE FROM people",
    f"INSERT INTO people {COUNTED}",
)

# Entries that are there before their session's record count from when it is there: whatever their removal
# takes off has been added.
_LATE_RECORDS = (
    """CREATE TRIGGER session_added AFTER INSERT ON sessions
        WHEN EXISTS (SELECT 1 FROM entries WHERE session_id = NEW.session_id) BEGIN
        INSERT OR IGNORE INTO people (user_id) VALUES (NEW.user_id);
        UPDATE people SET text_bytes = text_bytes
            + (SELECT sum(length(text) + 256) FROM entries WHERE session_id = NEW.session_id)
        WHERE user_id = NEW.user_id;
    END""",
    "DELETE FROM people",
    f"INSERT INTO people {COUNTED}",
)

# Cells that were undone stay in the transcript, and the session knows which steps can be taken again.
_UNDONE = (
    "ALTER TABLE entries ADD COLUMN undone INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE sessions ADD COLUMN history TEXT",
)

MIGRATIONS = (
    _FIRST,
    _CHANNELS,
    _ANSWERS,
    _NUMBERS,
    _IDENTITY,
    _BATCHES,
    _UNFINISHED,
    _SUMS,
    _TURNS,
    _ENTRIES,
    _LATE_RECORDS,
    _UNDONE,
)
