"""A private, throw-away PostgreSQL server, and sessions with it through psql."""

import contextlib
import glob
import json
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import subprocess

from stage import Failure, environment, free_port

END = "--- end of the answer ---"

SETTINGS = """
unix_socket_directories = '{sockets}'
listen_addresses = '{addresses}'
port = {port}
fsync = off
full_page_writes = off
dynamic_shared_memory_type = mmap
track_commit_timestamp = on
timezone = 'UTC'
log_timezone = 'UTC'
"""

# The sockets lie in a folder that only the server's account and root can enter.
HBA = """
local all all trust
host all demo 127.0.0.1/32 scram-sha-256
"""


def programs():
    """The folder of the server's programs, of the newest version there is."""
    versions = sorted(
        glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[-2]), reverse=True
    )
    on_path = [os.path.dirname(found) for found in (shutil.which("initdb"),) if found]
    for folder in versions + on_path:
        if os.access(f"{folder}/initdb", os.X_OK):
            return pathlib.Path(folder)
    raise Failure("there is no PostgreSQL server on this machine: install the package postgresql-15")


def account():
    """PostgreSQL refuses to run as root: then it runs as `postgres`."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        raise Failure("running as root, and there is no account `postgres` to run the server as") from None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class Postgres:
    def __init__(self, stage, with_tcp, more=""):
        """`more`: lines for postgresql.conf."""
        self.programs = programs()
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        self.folder = stage.folder / "postgres"
        self.folder.mkdir(mode=0o700)
        server = account()
        if server:
            os.chown(self.folder, server["user"], server["group"])
        data = self.folder / "data"
        stage.run(
            [self.programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8", "--wal-segsize=1", "--no-sync", "--no-instructions"],
            "making a PostgreSQL cluster", server)
        with open(data / "postgresql.conf", "a") as settings:
            settings.write(SETTINGS.format(
                sockets=self.folder, port=self.port, addresses="127.0.0.1" if with_tcp else "") + more)
        (data / "pg_hba.conf").write_text(HBA)
        self.process = stage.start(
            "postgres", [self.programs / "postgres", "-D", data], signal.SIGQUIT, server)
        stage.wait_until("PostgreSQL to start", lambda: self.is_ready(data / "postmaster.pid"))
        with Session(self, "postgres", "postgres") as session:
            session.run("create database app")

    @staticmethod
    def is_ready(pid_file):
        """The file's eighth line is what pg_ctl waits for, too."""
        try:
            lines = pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def conninfo(self, user, database="app"):
        return f"host={self.folder} port={self.port} user={user} dbname={database}"

    def psql(self, user, database="app", name="demo"):
        """The command that runs the SQL on its standard input, each statement in its own transaction."""
        conninfo = f"{self.conninfo(user, database)} application_name={name}"
        return [str(self.programs / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", conninfo]

    def url(self):
        return f"postgresql://demo:{self.password}@127.0.0.1:{self.port}/app"


class Session:
    """One connection, kept: a psql that is told statements and answers with JSON."""

    def __init__(self, postgres, user, database="app"):
        self.psql = subprocess.Popen(
            postgres.psql(user, database), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, encoding="utf-8", start_new_session=True, cwd="/",
            env=environment(),
        )

    def run(self, sql):
        """Runs statements; the text they print."""
        try:
            self.psql.stdin.write(f"{sql};\n\\echo {END}\n")
            self.psql.stdin.flush()
        except BrokenPipeError:
            raise Failure("the connection to the database is lost") from None
        text = []
        for line in self.psql.stdout:
            if line.rstrip("\n") == END:
                return "".join(text)
            text.append(line)
        raise Failure(f"the database said:\n{''.join(text).rstrip()}\nto: {sql}")

    def rows(self, query):
        """The rows of one query, as dicts."""
        return json.loads(self.run(f"select coalesce(json_agg(q), '[]') from (\n{query}\n) q"))

    def row(self, query):
        """The first row; nothing: None."""
        rows = self.rows(query)
        return rows[0] if rows else None

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.psql.stdin.close()
        self.psql.wait(8)
        self.psql.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()
