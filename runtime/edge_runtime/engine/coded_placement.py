"""A model opened a second time, for the codes of `contract.category_codes` in the place of its strings."""

import contextlib

from edge_runtime.contract.errors import EdgePredictError
from edge_runtime.contract.signature import Signature
from edge_runtime.engine.coded_rows import answer_the_same
from edge_runtime.engine.coded_strings import with_code_inputs
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.placement import Placement

# The most bytes of a model that is opened twice.
_MOST_BYTES = 16 * 1024 * 1024


def coded_placement(placement: Placement, signature: Signature) -> Placement | None:
    """The same model with inputs of codes, int64, in the place of strings, of the same names and shapes.

    To open it takes as long as thousands of rows.

    Args:
        placement: the model as it is.
        signature: what it takes.

    Returns:
        None if it takes no strings, or is not known to answer codes as it answers strings, bit for bit.
    """
    session, settings = placement.main, placement.settings
    source, strings = session.source, {one.name: one.features for one in signature.inputs if one.holds_strings}
    # An isolated model is opened by its own process alone, and options may name a file that opening writes.
    if not strings or not session.shares_memory or settings.session_options:
        return None
    if source.refers_to_files or source.is_ort_format or source.size > _MOST_BYTES:
        return None
    # It answers without this, too.
    with contextlib.suppress(EdgePredictError):
        if (model := with_code_inputs(source.whole_content(), strings)) is not None:
            coded = Placement(ModelSource(model, limits=settings.limits), settings)
            certificate = placement.certificate
            reference = [] if certificate is None else [batch.inputs for batch in certificate.reference]
            if answer_the_same(session, coded.main, signature, reference):
                return coded
    return None
