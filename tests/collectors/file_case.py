"""A CSV file that grows."""

import csv
from pathlib import Path
from typing import ClassVar

from overheard.collectors.base import Asked, Topic
from tests.collectors.case import TERM, Case


class FileCase(Case):
    source: ClassVar[str] = "file"
    library: ClassVar[str] = "pyarrow"
    page: ClassVar[int | None] = 500

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "posts.csv"
        self.rows = 0
        self.append(["id", "text", "posted_at"])

    def asked(self) -> Asked:
        return Asked(Topic((TERM,)), str(self.path))

    def append(self, *rows: list[str]) -> None:
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerows(rows)

    def publish(self, *texts: str) -> list[str]:
        first = self.rows
        self.append(*([str(first + place), text, self.tick().isoformat()] for place, text in enumerate(texts)))
        self.rows += len(texts)
        return [f"posts.csv#{number}" for number in range(first, self.rows)]

    def publish_broken(self) -> None:
        self.append(["broken", f"{TERM} at no time", "some day"])
