"""The learning rate from epoch to epoch, and when annealing begins."""

import math

from edge_train.loop.progress import TrainingProgress
from edge_train.loop.settings import Settings

# The learning rate goes down over so many epochs at least.
_FEWEST_EPOCHS = 4


def is_out_of_patience(progress: TrainingProgress, patience: int | None) -> bool:
    """Whether no epoch of the last `patience` ones had a smaller validation loss than all before."""
    return patience is not None and progress.epoch - progress.best_epoch >= patience


def is_time_to_anneal(progress: TrainingProgress, settings: Settings, patience: int | None) -> bool:
    """Whether annealing, which has not begun, begins now."""
    if settings.schedule != "anneal" or progress.annealing is not None:
        return False
    return is_out_of_patience(progress, patience) or progress.epoch >= settings.epochs - settings.epochs // 3


def begin_to_anneal(progress: TrainingProgress, settings: Settings) -> None:
    """Lower the learning rate from now on, over half as many epochs as it took to the best one, if that is known."""
    epochs = progress.epoch if progress.best_weights is None else progress.best_epoch
    last = progress.epoch + max(_FEWEST_EPOCHS, math.ceil(epochs / 2))
    progress.annealing = (progress.epoch, min(last, settings.epochs))


def learning_rate(epoch: float, progress: TrainingProgress, settings: Settings) -> float:
    """The learning rate when so many epochs are done, see `Settings.schedule`."""
    rate = settings.learning_rate
    if settings.schedule == "cosine":
        rate *= (1 + math.cos(math.pi * epoch / settings.epochs)) / 2
    elif progress.annealing is not None:
        begin, end = progress.annealing
        rate *= (end - epoch) / (end - begin)
    return rate
