"""Pictures with their titles on one sheet, for the scripts that paint those of the documents."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

GAP = 6  # px between pictures
TITLE = 24  # px above each
CHECK = 8  # px, a square of the chequerboard behind transparent pixels
GREY = "#d0d0d0"


def sheet(pictures: Sequence[tuple[str, Image.Image]], columns: int, width: int) -> Image.Image:
    """Titles and pictures row by row, each picture as large as ``width`` and the tallest landscape allow."""
    landscapes = [picture.height / picture.width for _, picture in pictures if picture.height < picture.width]
    box = (width, round(width * max(landscapes, default=1)))
    shown = [_brought_into(picture, box) for _, picture in pictures]
    height = TITLE + GAP + box[1]
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGB", (columns * (width + GAP) - GAP, rows * height - GAP), "white")
    draw = ImageDraw.Draw(whole)
    for index, ((title, _), picture) in enumerate(zip(pictures, shown, strict=True)):
        left, top = index % columns * (width + GAP), index // columns * height
        draw.text((left, top + 5), title, fill="#333333", font_size=13)
        whole.paste(picture, (left, top + TITLE))
    return whole


def _brought_into(picture: Image.Image, box: tuple[int, int]) -> Image.Image:
    """RGB within ``box`` (width, height), framed, on a chequerboard where it is transparent."""
    scale = min(box[0] / picture.width, box[1] / picture.height)
    size = (round(picture.width * scale), round(picture.height * scale))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    board = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(board)
    for top in range(0, size[1], CHECK):
        for left in range(top % (2 * CHECK), size[0], 2 * CHECK):
            draw.rectangle((left, top, left + CHECK - 1, top + CHECK - 1), fill=GREY)
    board.paste(picture, mask=picture.getchannel("A") if "A" in picture.getbands() else None)
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=GREY)
    return board
