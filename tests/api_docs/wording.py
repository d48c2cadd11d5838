"""The words by which a docstring is known to say a shape, a dtype, a range, a unit or a source."""

from __future__ import annotations

import re

SHAPE = re.compile(
    r"\(\[?[\w.…*+/−`-]+(?: [/*+-] [\w`]+)?\]?,[^()]*\)|\(\)|\(\.\.\.\)|of any shape|of the same shape"
    r"|(?:shaped like|shape of|beside|as) ``\w+``"
)
"""(N, 1, H, W), or that it is another's."""

DTYPE = re.compile(
    r"\b(?:float(?:16|32|64)|bfloat16|u?int(?:8|16|32|64)|bool|any type|same type|type of|integer type|number type)\b"
)

RANGE = re.compile(
    r"\[[-−]?[\d.∞]+, [-−]?[\w.∞]+[\])]|\([-−]?[\d.∞]+, [-−]?[\d.∞]+\]|[≥≤><] ?[\d|λ‖]|\bunits?\b|λ|latent|logits?"
    r"|uint8|bool|\b0 to 255\b|0 or 1|any range|same range"
)
"""An interval, a bound or a unit; uint8 and bool have a range of their own."""

UNITS = re.compile(
    RANGE.pattern + r"|seconds?|minutes|milliseconds|hours|days|bytes|pixels?|rows?|bits|share|scores?|index|column"
    r"|numbers? of|how (?:many|much|often)|requests|calls|files|radiographs|count(?:ed)?|from [01]|at least|at most"
    r"|or more|or fewer|per |positive|\bport\b|side|degrees|percent|correlation|probabilit|ratio|standard deviation"
    r"|inches|radians|AUROC|SSIM|epochs?|steps?|version",
    re.IGNORECASE,
)
"""A range or a unit: what a number is a number of."""

NAMED_UNIT = re.compile(r"seconds|days|bytes|pixels")
"""Names of numbers that say their unit."""

SHARED_UNIT = re.compile(r"\b(?:seconds|pixels|bytes|units)\b|\[0, 1\]", re.IGNORECASE)
"""What the first paragraph of a class may say for all its fields."""

SHARED_ARRAY = re.compile(r"[Ee]very array is (\([^()]*\)[^.]*)")
"""What a class may say for all its arrays."""

MEASURED = re.compile(
    r"image|frame|pixel|score|lambda|latent|heatmap|probabilit|reconstruction|radiograph|saliency|heat\b|mask"
)
"""Names of arrays whose range or units must be said."""

FORMULA = re.compile(r"[Σ√∂∫‖]|\bexp\(|\blog\(|\bmean \||\bd f\(|½|²")
"""Signs that hardly stand outside a formula."""

SOURCE = re.compile(
    r"arXiv|\bdoi\b|DOI|docs/method\.md|ISO/IEC|PS3\.\d|RFC ?\d|[Bb]y definition|is defined as"
    r"|[A-Z][\w’'-]+(?:,? (?:and|et al\.?|&))?[^.()]{0,60}\(?\b(?:19|20)\d\d\b"
)
"""A paper, a standard, the page of the method, an author and a year, or that it is a definition."""

SENTENCE_END = re.compile(r"(?<=[.;])\s|\n\n")
ERROR_AFTER_RAISES = re.compile(r"\b[Rr]aises?,? (?:a |an )?([A-Z]\w*)")
ERROR_BY_NAME = re.compile(r"\b[A-Z]\w*Error\b")
