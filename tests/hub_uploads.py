"""A Hub on loopback that also takes uploads, as the client of huggingface_hub makes them over LFS."""

import base64
import hashlib
import json
import shutil
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from tests.hub import Hub, refuse, say

READ, WRITE = "hf_read", "hf_write"
LFS_BYTES = 1_000
SILENCE = 0
"""A status that stands for no answer at all."""


@dataclass
class WritableHub(Hub):
    """Repositories that are made through its API are private: only READ and WRITE see them, and WRITE changes them.

    `folder` holds what was uploaded, `history` the commits of each repository in their order. `failures`: a part of a
    path and the status with which the next request for such a path is answered, in their order.
    """

    folder: Path = field(kw_only=True)
    history: dict[str, list[str]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    failures: list[tuple[str, int]] = field(default_factory=list)
    put: list[str] = field(default_factory=list)
    """Hashes of the large files that were sent, as often as they were."""
    is_over: Event = field(default_factory=Event)

    def __exit__(self, *how: object) -> None:
        self.is_over.set()
        super().__exit__(*how)

    def files(self, repository: str, revision: str = "main") -> dict[str, bytes]:
        commit = self.tags.get(repository, {}).get(revision) or self._commit(repository, revision)
        assert commit, f"{repository} has no {revision}"
        return {path.name: path.read_bytes() for path in self.commits[repository][commit].iterdir()}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        content = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        words = path.strip("/").split("/")
        if self.failures and self.failures[0][0] in path:
            self.asked.append(path)
            status = self.failures.pop(0)[1]
            if status == SILENCE:
                self.is_over.wait()
            else:
                refuse(request, status, said="as the test wants it")
        elif request.command in ("GET", "HEAD"):
            repository = "/".join(words[2:4] if words[0] == "api" else words[:2])
            if repository in self.history and token not in (READ, WRITE):
                self.asked.append(path)
                refuse(request, 401, "RepoNotFound")
            elif words[:2] == ["api", "models"] and words[4:] == ["refs"]:
                self.asked.append(path)
                self._refs(request, repository)
            else:
                super().answer(request)
        else:
            self.asked.append(f"{request.command} {path}")
            self._change(request, words, content, token)

    def _change(self, request: BaseHTTPRequestHandler, words: list[str], content: bytes, token: str) -> None:
        if words[0] == "lfs":  # such URLs are signed, and carry no token
            self._keep(request, words[1], content)
        elif token not in (READ, WRITE):
            refuse(request, 401, said="Invalid username or password.")
        elif words[1] == "validate-yaml":
            _validate(request, json.loads(content)["content"])
        elif token == READ:
            refuse(request, 403, said="You don't have the rights to do that")
        elif words[1:] == ["repos", "create"]:
            self._create(request, json.loads(content))
        elif words[2:] == ["info", "lfs", "objects", "batch"]:
            self._batch(request, json.loads(content))
        elif "/".join(words[2:4]) not in self.commits:
            refuse(request, 404, "RepoNotFound")
        else:
            repository, kind, revision = "/".join(words[2:4]), words[4], words[5]
            {"preupload": self._preupload, "commit": self._commits, "tag": self._tags}[kind](
                request, repository, revision, content
            )

    def _create(self, request: BaseHTTPRequestHandler, wish: dict[str, Any]) -> None:
        repository = f"{wish['organization']}/{wish['name']}"
        is_new = repository not in self.commits
        if is_new:
            assert wish["visibility"] == "private"
            self._add(repository, {".gitattributes": b"*.onnx filter=lfs\n"})
        say(request, {"url": f"{self.url}/{repository}"}, 200 if is_new else 409)

    def _preupload(self, request: BaseHTTPRequestHandler, repository: str, revision: str, content: bytes) -> None:
        there = self.files(repository, revision)
        answers = []
        for file in json.loads(content)["files"]:
            mode = "lfs" if file["size"] > LFS_BYTES else "regular"
            old = there.get(file["path"])
            oid = None if old is None else (_sha256(old) if mode == "lfs" else _git_hash(old))
            answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        say(request, {"files": answers})

    def _batch(self, request: BaseHTTPRequestHandler, wish: dict[str, Any]) -> None:
        objects = []
        for wanted in wish["objects"]:
            action = {"actions": {"upload": {"href": f"{self.url}/lfs/{wanted['oid']}"}}}
            objects.append(wanted | ({} if self._blob(wanted["oid"]).exists() else action))
        say(request, {"transfer": "basic", "objects": objects})

    def _keep(self, request: BaseHTTPRequestHandler, oid: str, content: bytes) -> None:
        assert _sha256(content) == oid
        self.put.append(oid)
        self._blob(oid).write_bytes(content)
        say(request, {})

    def _commits(self, request: BaseHTTPRequestHandler, repository: str, revision: str, content: bytes) -> None:
        files = self.files(repository, revision)
        for line in map(json.loads, content.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self._blob(value["oid"]).read_bytes()
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commit = self._add(repository, files)
        say(request, {"commitUrl": f"{self.url}/{repository}/commit/{commit}", "commitOid": commit})

    def _tags(self, request: BaseHTTPRequestHandler, repository: str, revision: str, content: bytes) -> None:
        tags = self.tags.setdefault(repository, {})
        if request.command == "DELETE":
            del tags[revision], self.branches[repository][revision]
        elif (tag := json.loads(content)["tag"]) in tags:
            refuse(request, 409, said="Tag reference exists already")
            return
        else:
            tags[tag] = self.branches[repository][tag] = self._commit(repository, revision) or ""
        say(request, {})

    def _refs(self, request: BaseHTTPRequestHandler, repository: str) -> None:
        tags = [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": commit}
            for name, commit in self.tags.get(repository, {}).items()
        ]
        say(request, {"branches": [], "converts": [], "tags": tags})

    def _add(self, repository: str, files: dict[str, bytes]) -> str:
        history = self.history.setdefault(repository, [])
        directory = self.folder / f"{repository.replace('/', '--')}-{len(history)}"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for name, content in files.items():
            (directory / name).write_bytes(content)
        history.append(self.publish(repository, directory))
        return history[-1]

    def _blob(self, oid: str) -> Path:
        return self.folder / f"blob-{oid}"


def _validate(request: BaseHTTPRequestHandler, card: str) -> None:
    """What the Hub says about the metadata of a card."""
    opening, front, _ = card.split("---\n", 2)
    facts = yaml.safe_load(front)
    is_good = not opening and isinstance(facts, dict) and isinstance(facts.get("license"), str)
    answer = {"errors": [] if is_good else [{"message": '"license" is required'}], "warnings": []}
    say(request, answer, 200 if is_good else 400)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
