"""What a wish becomes on top of what runs: pure."""

from __future__ import annotations

import pytest

from lightmill.config import SessionConfig
from lightmill.errors import InvalidInput
from lightmill.pipelines.registry import build_registry
from lightmill.session.plan import plan_chain, remaining
from lightmill.session.wish import ChainWish

REGISTRY, LIMITS = build_registry(), SessionConfig(max_stages=3)


def wish(**chain):
    return ChainWish.model_validate(chain)


def plan(current=None, **chain):
    return plan_chain(wish(**chain), current, REGISTRY, LIMITS)


def ids(chain):
    return [stage.id for stage in chain.stages]


def test_stages_without_ids_get_one_that_nobody_has():
    chain = plan(preprocessors=[{"pipeline": "gray"}], postprocessors=[{"pipeline": "gray"}] * 2)
    assert ids(chain) == ["gray", "main", "gray-2", "gray-3"]
    anew = plan(chain, postprocessors=[{"pipeline": "gray"}])
    assert ids(anew) == ["gray", "main", "gray-4"]
    named = plan(preprocessors=[{"pipeline": "gray"}, {"pipeline": "color", "id": "gray"}])
    assert ids(named) == ["gray-2", "gray", "main"]


def test_what_is_not_named_stays():
    chain = plan(
        pipeline="color",
        settings={"contrast": 2},
        postprocessors=[{"id": "x", "pipeline": "color", "settings": {"gamma": 2}}],
    )
    moved = plan(chain, preprocessors=[{"id": "x", "pipeline": "color"}], postprocessors=[])
    assert moved.main is not chain.main and moved.main.values["contrast"] == 2
    assert moved.preprocessors[0].values["gamma"] == 2
    other = plan(chain, postprocessors=[{"id": "x", "pipeline": "edges"}])
    assert other.postprocessors[0].overrides == {}
    switched = plan(chain, pipeline="gray")
    assert switched.postprocessors == chain.postprocessors and not switched.main.overrides


def test_only_enabled_stages_are_active_and_preprocessors_rest_in_text_mode():
    stages = [{"id": "a", "pipeline": "gray"}, {"id": "b", "pipeline": "gray", "enabled": False}]
    chain = plan(preprocessors=stages, postprocessors=[{"id": "c", "pipeline": "color"}])
    assert [stage.id for stage in chain.active] == ["a", "main", "c"]
    text = plan(chain, pipeline="testcard", mode="text")
    assert [stage.id for stage in text.active] == ["main", "c"]


@pytest.mark.parametrize(
    ("chain", "field"),
    [
        ({"postprocessors": [{"pipeline": "gray"}] * 4}, "postprocessors"),
        ({"postprocessors": [{"pipeline": "gray", "id": "x"}] * 2}, "postprocessors.1.id"),
        ({"preprocessors": [{"pipeline": "testcard"}]}, "preprocessors.0.pipeline"),
        (
            {"preprocessors": [{"pipeline": "color", "settings": {"no": 1}}]},
            "preprocessors.0.settings.no",
        ),
        ({"pipeline": "color", "mode": "text"}, "mode"),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(chain, field):
    with pytest.raises(InvalidInput) as refused:
        plan(**chain)
    assert [one.field for one in refused.value.fields] == [field]


def test_an_id_that_stays_in_the_other_list_is_taken():
    chain = plan(preprocessors=[{"pipeline": "gray"}])
    with pytest.raises(InvalidInput, match="two stages"):
        plan(chain, postprocessors=[{"id": "gray", "pipeline": "gray"}])


def test_what_is_fulfilled_already_is_not_asked_again():
    asked = wish(
        pipeline="color",
        settings={"contrast": 2},
        postprocessors=[{"pipeline": "gray"}, {"pipeline": "color", "settings": {"gamma": 2}}],
    )
    chain = plan_chain(asked, None, REGISTRY, LIMITS)
    assert remaining(asked, chain).empty
    more = asked.model_copy(update={"settings": {"contrast": 3}})
    assert remaining(more, chain) == wish(pipeline="color", settings={"contrast": 3})
    fewer = asked.model_copy(update={"postprocessors": []})
    assert remaining(fewer, chain) == wish(postprocessors=[])


def test_a_wish_goes_through_json_unchanged():
    asked = wish(pipeline="gray", preprocessors=[{"id": "a", "pipeline": "color"}])
    assert ChainWish.model_validate(asked.model_dump()) == asked
    assert wish().empty and not asked.empty
    assert asked.names_main and not wish(postprocessors=[]).names_main


def test_what_was_asked_for_is_kept_as_it_was_understood():
    table = "LUT_3D_SIZE 2\n" + "0.5 0.25 1\n" * 8
    chain = plan(pipeline="grade", settings={"cube": table})
    assert chain.main.overrides == {"cube": chain.main.values["cube"]}
    assert chain.main.values["cube"] != table
    changed = chain.main.changed({"lift": 0.1})
    assert changed.values["cube"] == chain.main.values["cube"]
