"""`trackers`: where a finished audit is logged, beside its run folder."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Tracker(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: bool = Field(False, description="Also log the metrics of single groups; metrics.csv has them anyway.")


class MlflowConfig(_Tracker):
    """A run of MLflow: parameters, metrics, figures, and the reports as artifacts."""

    uri: str = Field("mlruns.db", description="A database file or folder, relative to audit.yaml, or the address of a server.")
    experiment: str = Field("raikit", min_length=1, description="Name of the experiment.")


class TensorboardConfig(_Tracker):
    """Events for TensorBoard: learning curves, metrics, figures and the summary."""

    folder: str = Field("tensorboard", description="Folder of the events, relative to audit.yaml.")


class WandbConfig(_Tracker):
    """A run of Weights & Biases. Online, the key comes from the environment (WANDB_API_KEY) and is never recorded."""

    project: str = Field("raikit", min_length=1)
    mode: Literal["offline", "online"] = Field("offline", description="offline: files only, which `wandb sync` sends later.")
    folder: str = Field("wandb-runs", description="Folder of the files, relative to audit.yaml.")


class TrackersConfig(BaseModel):
    """Trackers by name; absent: none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mlflow: MlflowConfig | None = None
    tensorboard: TensorboardConfig | None = None
    wandb: WandbConfig | None = None
