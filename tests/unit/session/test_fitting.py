from __future__ import annotations

import json
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, model_validator

from lightmill import BasePipelineConfig, ModeDefaults, Pipeline, UsageType
from lightmill.pipelines.registry import build_registry
from lightmill.presets.document import new_preset, read_preset
from lightmill.session.fitting import MAX_LEFT_OUT, Fitted, fit

VIDEO = {"video": ModeDefaults(default=True)}


class RangeConfig(BasePipelineConfig):
    """Settings that must go together."""

    pipeline_id: ClassVar[str] = "range"
    usage: ClassVar[list[UsageType]] = [UsageType.PREPROCESSOR]
    modes: ClassVar[dict[str, ModeDefaults]] = VIDEO
    low: int = Field(0, ge=0, le=100)
    high: int = Field(10, ge=0, le=100)
    style: Literal["a", "b"] = "a"

    @model_validator(mode="after")
    def _in_order(self) -> RangeConfig:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


class NeedyConfig(BasePipelineConfig):
    """A setting without a default."""

    pipeline_id: ClassVar[str] = "needy"
    modes: ClassVar[dict[str, ModeDefaults]] = VIDEO
    prompt: str = Field(min_length=1)
    amount: float = 1.0


def pipeline(config: type[BasePipelineConfig]) -> type[Pipeline]:
    class Made(Pipeline):
        @classmethod
        def get_config_class(cls) -> type[BasePipelineConfig]:
            return config

        def __call__(self, **kwargs: Any) -> dict[str, Any]:
            return {"video": kwargs["video"]}

    return Made


REGISTRY = build_registry()
for one in (RangeConfig, NeedyConfig):
    REGISTRY.register(pipeline(one))


def fitted(**chain: Any) -> Fitted:
    return fit(read_preset({"lightmill_preset": 1, "name": "x", "chain": chain}), REGISTRY, 4)


def fields(result: Fitted) -> list[str]:
    return [entry.field for entry in result.left_out]


def reason(result: Fitted, field: str) -> str:
    (found,) = [entry.reason for entry in result.left_out if entry.field == field]
    return found


def test_a_whole_preset_fits_and_every_setting_is_said():
    result = fitted(
        pipeline="color",
        mode="video",
        settings={"hue": 20},
        preprocessors=[{"id": "a", "pipeline": "gray", "settings": {"amount": 0.5}}],
        postprocessors=[{"pipeline": "trails", "enabled": False}],
    )
    assert result.left_out == ()
    settings = result.chain["settings"]
    assert settings["hue"] == 20 and settings["gamma"] == 1  # what was not given is at its default
    before, after = result.chain["preprocessors"], result.chain["postprocessors"]
    assert (before[0]["id"], before[0]["settings"]["amount"]) == ("a", 0.5)
    assert after[0]["enabled"] is False and after[0]["settings"]["decay"] == 0.85


def test_settings_that_are_gone_or_refused_are_left_at_their_defaults():
    result = fitted(pipeline="color", settings={"hue": 20, "sparkle": 1, "contrast": 99})
    assert fields(result) == ["chain.settings.sparkle", "chain.settings.contrast"]
    assert "has no such setting" in reason(result, "chain.settings.sparkle")
    assert "less than or equal to 3" in reason(result, "chain.settings.contrast")
    assert (result.chain["settings"]["hue"], result.chain["settings"]["contrast"]) == (20, 1)


def test_without_its_pipeline_the_stages_are_loaded():
    result = fitted(
        pipeline="dreams",
        mode="video",
        settings={"depth": 2},
        preprocessors=[{"pipeline": "gray"}, {"pipeline": "dreams"}, {"pipeline": "edges"}],
    )
    assert not {"pipeline", "mode", "settings"} & set(result.chain)
    assert [stage["pipeline"] for stage in result.chain["preprocessors"]] == ["gray", "edges"]
    assert fields(result) == [
        "chain.pipeline",
        "chain.mode",
        "chain.settings",
        "chain.preprocessors.1",
    ]
    assert "no pipeline 'dreams'" in reason(result, "chain.pipeline")


def test_a_mode_that_is_gone_becomes_the_default_mode():
    result = fitted(pipeline="color", mode="text")
    assert result.chain["mode"] == "video" and fields(result) == ["chain.mode"]


def test_a_stage_stands_where_its_pipeline_may():
    stages = [{"pipeline": "gray"}, {"pipeline": "testcard"}, {"pipeline": "range"}]
    result = fitted(pipeline="color", preprocessors=stages, postprocessors=stages)
    assert [stage["pipeline"] for stage in result.chain["preprocessors"]] == ["gray", "range"]
    assert [stage["pipeline"] for stage in result.chain["postprocessors"]] == ["gray"]
    assert reason(result, "chain.preprocessors.1") == "testcard is no preprocessor"
    assert reason(result, "chain.postprocessors.2") == "range is no postprocessor"


def test_what_a_newer_format_says_more_is_named():
    document = {
        "lightmill_preset": 2,
        "mood": "blue",
        "chain": {"pipeline": "gray", "loops": 3, "preprocessors": [{"pipeline": "gray", "x": 1}]},
    }
    assert fields(fit(read_preset(document), REGISTRY, 4)) == [
        "lightmill_preset",
        "mood",
        "chain.loops",
        "chain.preprocessors.0.x",
    ]


def test_settings_that_only_go_together_stay_together():
    assert fitted(pipeline="range", settings={"low": 50, "high": 60}).left_out == ()
    result = fitted(pipeline="range", settings={"low": 50, "style": "b"})
    assert fields(result) == ["chain.settings.low"]
    assert "low must not be above high" in reason(result, "chain.settings.low")
    assert result.chain["settings"]["style"] == "b"


def test_a_setting_without_a_default_is_needed():
    result = fitted(pipeline="needy", settings={"prompt": "a mill", "amount": "much"})
    assert (result.chain["settings"]["prompt"], fields(result)) == (
        "a mill",
        ["chain.settings.amount"],
    )
    for values in ({}, {"prompt": ""}):
        result = fitted(pipeline="needy", settings=values)
        assert "pipeline" not in result.chain
        assert "prompt" in reason(result, "chain.pipeline")


def test_a_stages_id_is_its_own():
    stages = [{"id": name, "pipeline": "gray"} for name in ("a", "a", 3, "main")]
    result = fitted(pipeline="gray", preprocessors=stages)
    assert fields(result) == [f"chain.preprocessors.{index}.id" for index in (1, 2, 3)]
    ids = [stage["id"] for stage in result.chain["preprocessors"]]
    assert ids == ["a", "gray", "gray-2", "gray-3"]


def test_a_made_up_id_leaves_the_given_ones():
    result = fitted(
        pipeline="gray",
        preprocessors=[{"pipeline": "gray"}],
        postprocessors=[{"id": "gray", "pipeline": "gray"}],
    )
    assert result.left_out == ()
    assert result.chain["preprocessors"][0]["id"] == "gray-2"


def test_stages_beyond_the_limit_are_left_out():
    stages = [{"pipeline": "color"}] * 3
    result = fitted(pipeline="gray", preprocessors=stages, postprocessors=stages)
    assert fields(result) == ["chain.postprocessors.1", "chain.postprocessors.2"]
    assert "session.max_stages" in reason(result, "chain.postprocessors.1")


def test_a_flood_is_counted_and_not_listed():
    result = fitted(pipeline="gray", **{f"k{n}": n for n in range(500)})
    shown = result.to_json()["left_out"]
    assert len(shown) == MAX_LEFT_OUT + 1 and shown[-1]["reason"] == "and 400 things more"


BUSY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
SCALARS = st.none() | st.booleans() | st.integers(-200, 200) | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner)
)
IDS = [entry.config.pipeline_id for entry in REGISTRY.entries()]
NAMES = sorted({name for entry in REGISTRY.entries() for name in entry.config.settings_fields()})


def near(values: list[str]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values) | ANYTHING


SETTINGS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), ANYTHING, max_size=6)
STAGES = st.lists(
    st.fixed_dictionaries(
        {"pipeline": near(IDS)},
        optional={"id": near(["a", "b"]), "settings": SETTINGS | ANYTHING, "enabled": ANYTHING},
    )
    | ANYTHING,
    max_size=3,
)
CHAINS = st.fixed_dictionaries(
    {"pipeline": near(IDS)},
    optional={
        "mode": near(["text", "video"]),
        "settings": SETTINGS | ANYTHING,
        "preprocessors": STAGES | ANYTHING,
        "postprocessors": STAGES | ANYTHING,
        "later": ANYTHING,
    },
)


@BUSY
@given(CHAINS)
def test_whatever_is_read_what_fits_runs(chain):
    result = fitted(**chain)
    main = result.chain
    parts = [*main["preprocessors"], *main["postprocessors"]]
    if "pipeline" in main:
        parts.append(main)
    for part in parts:
        config = REGISTRY.get(part["pipeline"]).get_config_class()
        values = config.validate_settings(part.get("mode", "video"), part["settings"])
        assert config.to_json(values) == part["settings"]
    json.dumps(result.to_json(), allow_nan=False)


@BUSY
@given(CHAINS)
def test_what_fits_fits_again_and_whole(chain):
    first = fitted(**chain)
    if "pipeline" in first.chain:
        again = fit(new_preset("x", first.chain), REGISTRY, 4)
        assert again.left_out == () and again.chain == first.chain


@BUSY
@given(CHAINS)
def test_nothing_is_lost_in_silence(chain):
    """Each given setting is in force as it was given, or named."""
    result = fitted(**chain)
    given_settings = chain.get("settings")
    if "pipeline" not in result.chain or not isinstance(given_settings, dict):
        return
    config = REGISTRY.get(chain["pipeline"]).get_config_class()
    for name, value in given_settings.items():
        if f"chain.settings.{name}" not in fields(result):
            mode = result.chain["mode"]
            alone = {**result.chain["settings"], name: value}
            assert result.chain["settings"] == config.to_json(config.validate_settings(mode, alone))


@pytest.mark.parametrize("entry", REGISTRY.entries(), ids=lambda entry: entry.config.pipeline_id)
def test_the_presets_of_pipelines_fit(entry):
    for values in entry.config.presets_json().values():
        result = fitted(pipeline=entry.config.pipeline_id, settings=values)
        assert result.left_out == ()
        assert values.items() <= result.chain["settings"].items()
