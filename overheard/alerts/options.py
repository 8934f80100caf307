"""What each kind of rule can be told. The numbers behind the sensitivities are in docs/alerts.md."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Sensitivity = Literal["low", "medium", "high"]
DAY_S: Final = 86_400


class Options(BaseModel):
    """What all kinds can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sensitivity: Sensitivity = "medium"
    calm_s: int = Field(300, ge=0, le=7 * DAY_S, description="Resolved when it was not found for so long")


class BrandOptions(Options):
    """Of rules that count a brand's posts."""

    calm_s: int = Field(3600, ge=0, le=7 * DAY_S, description="Resolved when it was not found for so long")
    min_posts: int = Field(30, ge=5, le=1_000_000, description="Fewer posts say nothing")
