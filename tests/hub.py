"""A Hub on loopback that speaks the part of the API which fetching a model takes."""

import hashlib
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """Repositories by name; each has directories by commit, and commits by the name of a branch.

    `asked` are the paths of all requests. It listens from `with` to its end.
    """

    commits: dict[str, dict[str, Path]] = field(default_factory=dict)
    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def publish(self, repository: str, directory: Path, branch: str = "main") -> str:
        """The commit at which `branch` now holds the files of `directory`."""
        digest = hashlib.sha1(repr([(p.name, p.read_bytes()) for p in sorted(directory.iterdir())]).encode())
        commit = digest.hexdigest()
        self.commits.setdefault(repository, {})[commit] = directory
        self.branches.setdefault(repository, {})[branch] = commit
        return commit

    def __enter__(self) -> Self:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        self.asked.append(path)
        words = path.strip("/").split("/")
        if words[:2] == ["api", "models"]:
            self._facts(request, "/".join(words[2:4]), words[4:])
        elif words[2:3] == ["resolve"]:
            self._file(request, "/".join(words[:2]), words[3], "/".join(words[4:]))
        else:
            refuse(request, 404, "EntryNotFound")

    def _facts(self, request: BaseHTTPRequestHandler, repository: str, rest: list[str]) -> None:
        kind, revision = (rest[0], rest[1]) if rest else ("revision", "main")
        commit = self._commit(repository, revision)
        if commit is None:
            refuse(request, 404, "RevisionNotFound" if repository in self.commits else "RepoNotFound")
            return
        if kind == "tree" and len(rest) > 2:  # repositories here have no folders
            refuse(request, 404, "EntryNotFound")
            return
        paths = sorted(self.commits[repository][commit].iterdir())
        if kind == "tree":
            say(request, [{"type": "file", "path": p.name, "size": p.stat().st_size, "oid": _etag(p)} for p in paths])
        else:
            say(request, {"id": repository, "sha": commit, "siblings": [{"rfilename": p.name} for p in paths]})

    def _file(self, request: BaseHTTPRequestHandler, repository: str, revision: str, name: str) -> None:
        commit = self._commit(repository, revision)
        path = self.commits[repository][commit] / name if commit else Path()
        if not path.is_file():
            refuse(request, 404, "EntryNotFound")
            return
        content = path.read_bytes()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("ETag", f'"{_etag(path)}"')
        request.send_header("X-Repo-Commit", str(commit))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(content)

    def _commit(self, repository: str, revision: str) -> str | None:
        commit = self.branches.get(repository, {}).get(revision, revision)
        return commit if commit in self.commits.get(repository, {}) else None


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


def say(request: BaseHTTPRequestHandler, answer: Any, status: int = 200) -> None:
    content = json.dumps(answer).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)


def refuse(request: BaseHTTPRequestHandler, status: int, code: str = "", said: str = "") -> None:
    content = json.dumps({"error": said} if said else {}).encode()
    request.send_response(status)
    if code:
        request.send_header("X-Error-Code", code)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)
