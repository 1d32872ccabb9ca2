"""Settings: what suits a table, and what the user chose instead."""

import pytest

from edge_train import Settings, table_defaults
from edge_train.loop.settings import EXAMPLE_DEFAULTS, learns_all_rows, with_choices


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs"),
    [
        (1, 32, 200),
        (100, 32, 200),
        (4096, 64, 200),
        (10_000, 128, 200),
        (1_000_000, 512, 31),
        (100_000_000, 512, 20),
    ],
)
def test_the_size_of_a_table_sets_batches_and_epochs(rows: int, batch_size: int, epochs: int) -> None:
    settings = table_defaults(rows)
    assert (settings.batch_size, settings.epochs) == (batch_size, epochs)


def test_defaults_are_those_of_the_help() -> None:
    example, table = EXAMPLE_DEFAULTS, table_defaults(1000)
    assert (example.hidden, example.optimizer, example.learning_rate, example.weight_decay) == ((5,), "sgd", 0.03, 0)
    assert (example.dropout, example.batch_size, example.epochs) == (0, None, 2000)
    assert (example.schedule, example.patience) == ("constant", None)
    assert (table.hidden, table.optimizer, table.learning_rate, table.weight_decay) == (
        (64, 32),
        "adamw",
        0.001,
        0.05,
    )
    assert (table.dropout, table.smoothing, table.schedule, table.patience) == (0.2, 0.05, "anneal", 24)
    assert (table.members, table.validation) == (5, 0.2)
    assert (example.members, example.validation, example.smoothing) == (1, 0, 0)
    for settings in (example, table):
        assert (settings.balanced, settings.seed) == (False, 0)


@pytest.mark.parametrize(("rows", "expected"), [(1, True), (50_000, True), (50_001, False)])
def test_only_smaller_tables_are_learned_whole(rows: int, expected: bool) -> None:
    assert learns_all_rows(rows) == expected


def test_a_choice_takes_the_place_of_its_default_alone() -> None:
    defaults = table_defaults(1000)
    chosen = with_choices(defaults, {"epochs": 7, "dropout": 0.0, "patience": None, "seed": 0})
    assert chosen == Settings(**{**vars(defaults), "epochs": 7, "dropout": 0.0})
    assert with_choices(defaults, {}) == defaults


def test_an_optimizer_comes_with_its_usual_rates() -> None:
    table, example = table_defaults(1000), EXAMPLE_DEFAULTS
    sgd = with_choices(table, {"optimizer": "sgd"})
    assert (sgd.optimizer, sgd.learning_rate, sgd.weight_decay) == ("sgd", 0.03, 0.0)
    adamw = with_choices(example, {"optimizer": "adamw"})
    assert (adamw.optimizer, adamw.learning_rate, adamw.weight_decay) == ("adamw", 0.001, 0.05)
    assert with_choices(table, {"optimizer": "sgd", "learning_rate": 0.5}).learning_rate == 0.5
    # Of the default optimizer the default rates stay, which need not be the usual ones.
    own = Settings((5,), learning_rate=0.7)
    assert with_choices(own, {"optimizer": "sgd"}) == own
