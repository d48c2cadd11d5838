"""PNG and JPEG, by Pillow."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ..errors import TooLarge, UnsupportedImage
from .grey import full_scale
from .libraries import reading
from .limits import DecodeLimits

MAX_JPEG_SCANS = 100
"""A progressive JPEG has about ten; each costs a pass over every pixel, whatever its length in bytes."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation."""


def decode_raster(data: bytes, form: Literal["PNG", "JPEG"], limits: DecodeLimits) -> NDArray[np.float32]:
    """(H, W) float32 in [0, 1] of a PNG or JPEG file, upright by its EXIF orientation.

    Colour becomes luminance; what is transparent is shown on black, as air; 16-bit grey spans the scale by
    ``full_scale``. 16 bits of colour are reduced to 8. An animation is refused, for it is no radiograph; of a JPEG with
    further pictures (MPO, as telephones write it) the main one is taken. Raises InvalidImage for a file that is
    malformed or cut short, UnsupportedImage for an animation or too small a picture, TooLarge for one over ``limits``
    or a JPEG of very many scans.
    """
    if form == "JPEG":
        check_scans(data)
    with reading(form):
        try:
            image: Image.Image = Image.open(io.BytesIO(data), formats=(form,))
        except Image.DecompressionBombError as error:
            raise TooLarge(f"The {form} image holds too many pixels.") from error
        limits.check_samples(image.height, image.width, len(image.getbands()))
        limits.check_sides(image.height, image.width)
        if form == "PNG" and getattr(image, "n_frames", 1) > 1:
            raise UnsupportedImage("The PNG file is an animation; send one radiograph as a still image.")
        image.load()
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        if orientation in _UPRIGHT:
            image = image.transpose(_UPRIGHT[orientation])
        return _to_grey(image)


def check_scans(data: bytes) -> None:
    """Raise TooLarge for a JPEG stream of very many scans, a bomb that costs time rather than memory."""
    if data.count(b"\xff\xda") > MAX_JPEG_SCANS:
        raise TooLarge(f"The JPEG image has more than {MAX_JPEG_SCANS} scans; save it as a baseline JPEG.")


def _to_grey(image: Image.Image) -> NDArray[np.float32]:
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        return deep.astype(np.float32) / np.float32(full_scale(deep))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return _unit(image.convert("RGB").convert("L")) * _unit(image.getchannel("A"))
    if image.mode not in ("1", "L"):
        image = image.convert("RGB")
    return _unit(image.convert("L"))


def _unit(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image, np.float32) / np.float32(255.0)
