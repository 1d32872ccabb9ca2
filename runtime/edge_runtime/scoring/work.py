"""What is made of a block, by a thread of this process or by a worker elsewhere; and what makes it of many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edge_runtime.predictor import Predictor
from edge_runtime.scoring.block_answers import BlockAnswers
from edge_runtime.scoring.formats import Format
from edge_runtime.scoring.options import Options
from edge_runtime.scoring.pieces import Pieces
from edge_runtime.scoring.pipeline import worked_on
from edge_runtime.scoring.rejects import Rejected
from edge_runtime.scoring.sources import Opened
from edge_runtime.scoring.summary import Tally
from edge_runtime.tables.blocks import Block, Place


@dataclass(frozen=True)
class Done:
    """What was made of a block.

    Attributes:
        end: where the next block begins.
        read: how many bytes of the source's files have been read with it.
        piece: bytes or a record batch, for the sink.
        schema: of the record batch; None of bytes.
        header: what comes before the first piece, if it was asked for.
        rejected: the rows that are not answered.
        tally: the counts of all.
    """

    end: Place
    read: int
    piece: Any
    schema: Any
    header: bytes
    rejected: list[Rejected]
    tally: Tally


class Work:
    """Makes pieces of blocks. Several threads may use it at the same time.

    Attributes:
        answers: the answers to a block.
        pieces: what a sink takes of them.
    """

    def __init__(
        self,
        predictor: Predictor,
        names: Sequence[str],
        decimal: str,
        output: Format,
        options: Options,
        is_shown: bool = False,
        may_vary: bool = False,
    ) -> None:
        """Make them.

        Args:
            predictor: what answers.
            names: the columns of the source.
            decimal: the decimal mark of its numbers.
            output: how answers are written.
            options: what is asked for.
            is_shown: whether the answers go to a terminal.
            may_vary: whether rows of the source may lack columns.

        Raises:
            InvalidInput, NoProbabilities, NoFeatures, NoIntervals, NoSignature: as `BlockAnswers`.
        """
        self.predictor = predictor
        self.arguments = (tuple(names), decimal, output, options, is_shown, may_vary)
        self._output = output
        self.answers = BlockAnswers(predictor, names, options, may_vary, decimal)
        self.pieces = Pieces(output, predictor.signature, self.answers.kept, options, is_shown)

    @property
    def columns(self) -> list[str]:
        """The columns of the source that it needs."""
        return list(dict.fromkeys([*self.answers.columns, *self.answers.kept]))

    def __call__(self, block: Block, with_header: bool = True) -> Done:
        """What is made of `block`.

        Raises:
            InferenceFailed: the model failed.
        """
        answered = self.answers.parsed(block)
        header = self.pieces.header(answered) if with_header else b""
        piece = self.pieces.of(answered)
        schema = None if self._output.is_text else piece.schema
        return Done(block.end, block.read, piece, schema, header, answered.rejected, answered.tally)


class Engine(Protocol):
    """What has blocks worked on, here or elsewhere."""

    def done(self, work: Work, source: Opened, start: Place | None) -> Iterator[Done]:
        """What `work` makes of each block of `source` from `start` on, in their order."""
        ...


class Threads:
    """Threads of this process."""

    def __init__(self, count: int) -> None:
        """Take so many."""
        self._count = count

    def done(self, work: Work, source: Opened, start: Place | None) -> Iterator[Done]:
        """See `Engine`."""
        is_first = True

        def worked(block: Block) -> Done:
            return work(block, is_first)

        for done in worked_on(source.blocks(start, work.columns), worked, self._count):
            is_first = False
            yield done
