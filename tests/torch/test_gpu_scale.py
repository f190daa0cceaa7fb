"""The tables of docs/scale.md are what the package computes, and its parameter counts are those of the models they are named after."""

import pytest
from attune_gpu.scale import MODELS, needs, tables, tokens_to_hide
from command_line import ROOT

DOCUMENT = (ROOT / "docs" / "scale.md").read_text()


@pytest.mark.parametrize("place", range(3))
def test_the_document_has_the_tables_of_the_package(place):
    assert tables()[place] in DOCUMENT


def test_parameters_are_those_of_the_published_models():
    # As their authors' files count them; GPT-3 by its paper, table 2.1.
    published = {"1B": 1_235_814_400, "3B": 3_212_749_824, "8B": 8_030_261_248, "13B": 13_015_864_320, "70B": 70_553_706_496}
    assert {name: needs(MODELS[name]).parameters for name in published} == published
    assert needs(MODELS["175B"]).parameters == pytest.approx(175e9, rel=0.005)


def test_the_figures_between_the_tables_follow_too():
    assert f"{tokens_to_hide(989e12, 400e9):,.0f} tokens" in DOCUMENT
    assert f"{tokens_to_hide(989e12, 50e9):,.0f}" in DOCUMENT
    assert f"{0.4 * 989e12 / (6 * needs(MODELS['8B']).parameters):,.0f} tokens a second" in DOCUMENT.replace("\n  ", " ").replace("second in bf16", "")
