"""Documents of every model and depth: what is sent of them, and the frames that come back into them."""

import base64
import hashlib
import resource
import struct
from dataclasses import replace

from krita import InfoObject, Selection
from nst_probe.inserting import Calm

CODES = {"U8": "B", "U16": "H", "F16": "e", "F32": "f"}
LARGEST = {"U8": 255, "U16": 65535, "F16": 1.0, "F32": 1.0}
LINEAR_GREY = 0.2140  # of sRGB 0.5
# What Krita takes for 1 in XYZ.
XYZ_ONE = {"U8": 128, "U16": 32768, "F16": 0.5, "F32": 1.0}
# Two colours in each model's own numbers, as shares of what integers hold.
SHARES = {
    "RGBA": [(1, 0, 0), (LINEAR_GREY,) * 3],
    "GRAYA": [(0.0529,), (LINEAR_GREY,)],
    "CMYKA": [(0, 0.9, 0.9, 0), (0.4, 0.3, 0.3, 0.1)],
    "LABA": [(0.5429, (80.81 + 128) / 255, (69.89 + 128) / 255), (0.5339, 128 / 255, 128 / 255)],
    "XYZA": [(0.43607, 0.22249, 0.01392), tuple(LINEAR_GREY * white for white in (0.9642, 1, 0.8249))],
    "YCbCrA": [(128 / 255, 128 / 255, 128 / 255), (16 / 255, 128 / 255, 128 / 255)],
}
#: Krita has eight for YCbCr, and unless told takes a different one at every start.
PROFILES = {"YCbCrA": "ITU-R BT.709-6 YCbCr ICC V4 profile"}
WIDTH, HEIGHT = 12, 4
SRGB = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
PQ = "High Dynamic Range UHDTV Wide Color Gamut Display (Rec. 2020) - SMPTE ST 2084 PQ EOTF"
LEGACY = "krita-2.5, lcms sRGB built-in with linear gamma TRC"


def packed(depth, numbers):
    return struct.pack(f"<{len(numbers)}{CODES[depth]}", *numbers)


def patch(model, depth):
    """WIDTH×HEIGHT pixels: a half of each colour, and in the lower half they are half transparent."""
    first, second = (native(model, depth, shares) for shares in SHARES[model])
    largest = LARGEST[depth]
    half = largest // 2 if depth.startswith("U") else 0.5
    numbers = []
    for alpha in (largest, half):
        numbers += ([*first, alpha] * (WIDTH // 2) + [*second, alpha] * (WIDTH // 2)) * (HEIGHT // 2)
    return packed(depth, numbers)


def native(model, depth, shares):
    """One colour in Krita's numbers of that model and depth."""
    if model == "XYZA":
        one = XYZ_ONE[depth]
        return [round(share * one) if depth[0] == "U" else share * one for share in shares]
    if depth.startswith("U"):
        numbers = [round(share * LARGEST[depth]) for share in shares]
        if model == "LABA" and depth == "U16":  # Krita's neutral a and b
            numbers[1:] = [round((share * 255 - 128) * 257) + 0x8080 for share in shares[1:]]
        return numbers[::-1] if model == "RGBA" else numbers
    if model == "LABA":
        return [shares[0] * 100, shares[1] * 255 - 128, shares[2] * 255 - 128]
    if model == "CMYKA":  # in per cent
        return [share * 100 for share in shares]
    return list(shares)


def frame_of(host, block, **changes):
    """The block as the server would send it back."""
    digest = hashlib.sha256(block.icc).hexdigest() if block.icc else None
    fields = dict(block.description, icc_digest=digest)
    fields.update(changes)
    return host.PixelBlock(data=bytes(block.data), **fields)


def frames(document):
    group = next((n for n in document.rootNode().childNodes() if n.type() == "grouplayer"), None)
    return group.childNodes() if group is not None else []


def pixels(node, block):
    return node.pixelData(block.x, block.y, block.width, block.height).data()


class Sent:
    """Blocks as JSON; profiles once, under their digest."""

    def __init__(self):
        self.profiles = {}

    def __call__(self, block):
        digest = hashlib.sha256(block.icc).hexdigest() if block.icc else None
        if digest:
            self.profiles[digest] = base64.b64encode(block.icc).decode()
        return dict(block.description, icc=digest, data=base64.b64encode(block.data).decode())


def steps(probe):
    probe.bare_package("nst_krita")
    from nst_krita import host

    sent = Sent()
    yield from every_document(probe, host, sent)
    yield from profiles(probe, host, sent)
    yield from kinds_of_layers(probe, host)
    yield from bright_colours(probe, host, sent)
    yield from foreign_frames(probe, host)
    yield from strips(probe, host)
    memory(probe)
    probe.record(profiles=sent.profiles)


def inserted(host, document, layer, block):
    """For ``yield from``: the node of a frame of its own with these pixels, and what else was told."""
    told = []
    tell = dict.fromkeys(("on_inserted", "on_skipped", "on_gone"), told.append)
    inserter = host.FrameInserter(document, layer, "frames", Calm(), **tell)
    inserter.put(host.Frame("one", "one", block))
    yield (lambda: told, 60)
    inserter.close()
    found = frames(document.handle)
    return (found[-1] if found else None), told


def every_document(probe, host, sent):
    """Off-origin, half transparent: read, sent back untouched, inserted."""
    found = {}
    for model in probe.app.colorModels():
        for depth in probe.app.colorDepths(model) if model != "A" else ():
            profile = PROFILES.get(model, "")
            handle = yield from probe.opened((32, 24), model=model, depth=depth, profile=profile)
            node = handle.createNode("patch", "paintlayer")
            handle.rootNode().addChildNode(node, None)
            data = patch(model, depth)
            node.setPixelData(data, 5, 3, WIDTH, HEIGHT)
            handle.refreshProjection()
            yield 0.2
            handle.setActiveNode(node)
            yield 0.2
            handle.setModified(False)
            before, documents = probe.undo_texts(), len(probe.app.documents())
            document = host.current()
            content = host.read_content(document, document.source())
            read = probe.undo_texts() == before and not handle.modified()
            block = content.pixels
            frame, told = yield from inserted(host, document, content.layer, frame_of(host, block))
            has_colours = host.Colours(frame.colorModel(), frame.colorDepth(), frame.colorProfile())
            found[f"{model} {depth}"] = {
                "sent": sent(block),
                "profile": handle.colorProfile(),
                "drawn": base64.b64encode(data).decode(),
                "back": base64.b64encode(pixels(frame, block)).decode(),
                "looks": [
                    probe.converted(numbers, WIDTH, HEIGHT, document.colours).hex()
                    for numbers in (data, pixels(frame, block))
                ],
                "same_colours": has_colours == document.colours,
                "reading_left_no_trace": read,
                "undo": probe.undo_texts()[len(before) :],
                "active": handle.activeNode().name(),
                "told": told,
                "documents_left": len(probe.app.documents()) - documents,
                "current": host.current() == document,
            }
            probe.record(documents=found)
            yield from probe.closed(handle)


def profiles(probe, host, sent):
    """Profiles that cannot travel as they are."""
    found = {}
    for name, profile in (("pq", PQ), ("legacy", LEGACY)):
        for depth in ("U16", "F32"):
            handle = yield from probe.opened((16, 16), model="RGBA", depth=depth, profile=profile)
            numbers = []
            for index in range(256):
                share = index / 255 * LARGEST[depth]
                numbers += [int(share) if depth[0] == "U" else share] * 3 + [LARGEST[depth]]
            data = packed(depth, numbers)
            node = handle.activeNode()
            node.setPixelData(data, 0, 0, 16, 16)
            block = host.read_content(host.current(), host.current().source()).pixels
            frame, _ = yield from inserted(host, host.current(), host.Layer(node), frame_of(host, block))
            found[f"{name} {depth}"] = {
                "sent": sent(block),
                "drawn": base64.b64encode(data).decode(),
                "back": base64.b64encode(pixels(frame, block)).decode(),
            }
            yield from probe.closed(handle)
    probe.record(special=found)


def kinds_of_layers(probe, host):
    """Layers that are no paint layers or have other colours than their document, as content and as style."""
    found = {}
    picture = probe.work / "picture.png"
    image = probe.QtGui.QImage(20, 16, probe.QtGui.QImage.Format.Format_RGB32)
    image.fill(0xFFFF8000)
    image.save(str(picture))
    for model, depth in (("RGBA", "U8"), ("RGBA", "F32"), ("CMYKA", "U8")):
        handle = yield from probe.opened((20, 16), model=model, depth=depth)
        document = host.current()
        for name, node in kinds(handle, picture):
            handle.rootNode().addChildNode(node, None)
            yield 0.5
            yield from painted(handle, name, node)
            layer = host.Layer(node)
            content = host.read_content(document, layer).pixels
            if not layer.is_group:
                node.setVisible(False)
                yield 0.3
            style = host.read_style(host.StyleChoice(document, layer))
            found[f"{name} in {model} {depth}"] = [drawn(content), drawn(style)]
        yield from probe.closed(handle)
    probe.record(kinds=found)


def kinds(handle, picture):
    everything = Selection()
    everything.select(0, 0, 20, 16, 255)
    orange = InfoObject()
    orange.setProperty("color", "#ff8000")
    fill = handle.createFillLayer("fill", "color", orange, everything)
    yield "vector", handle.createVectorLayer("vector")
    yield "fill", fill
    fill.setVisible(True)
    yield "clone", handle.createCloneLayer("clone", fill)
    yield "file", handle.createFileLayer("file", str(picture), "None")
    yield "group", handle.createGroupLayer("group")
    yield "grey", handle.createNode("grey", "paintlayer")
    yield "float", handle.createNode("float", "paintlayer")


def painted(handle, name, node):
    """Orange, or medium grey, where the layer does not have that already."""
    if name == "vector":
        rectangle = '<rect width="20" height="16" fill="#ff8000"/>'
        node.addShapesFromSvg(f'<svg width="20" height="16" viewBox="0 0 20 16">{rectangle}</svg>')
    elif name == "group":
        inner = handle.createNode("inner", "paintlayer")
        inner.setColorSpace("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
        inner.setPixelData(b"\x00\x80\xff\xff" * 320, 0, 0, 20, 16)
        node.addChildNode(inner, None)
    elif name == "grey":
        node.setColorSpace("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc")
        node.setPixelData(b"\x80\xff" * 320, 0, 0, 20, 16)
    elif name == "float":
        node.setColorSpace("RGBA", "F32", "sRGB-elle-V2-g10.icc")
        node.setPixelData(struct.pack("<4f", 1, 0.2159, 0, 1) * 320, 0, 0, 20, 16)
    handle.refreshProjection()
    yield 0.8


def drawn(block):
    """The block as JSON values, its first pixel standing for all; None if they differ."""
    pixel = bytes(block.data[: len(block.data) // (block.width * block.height)])
    is_even = block.data == pixel * (block.width * block.height)
    icc = base64.b64encode(block.icc).decode() if block.icc else None
    return [block.description, icc, pixel.hex() if is_even else None]


def bright_colours(probe, host, sent):
    """Beyond white, and more saturated than sRGB, in floats."""
    handle = yield from probe.opened((4, 1), model="RGBA", depth="F32")
    data = packed("F32", [4, 2, 0.5, 1, -0.25, 0.5, 0.1, 1, 0, 0, 0, 1, 1, 1, 1, 0.25])
    node = handle.activeNode()
    node.setPixelData(data, 0, 0, 4, 1)
    block = host.read_content(host.current(), host.current().source()).pixels
    frame, _ = yield from inserted(host, host.current(), host.Layer(node), frame_of(host, block))
    probe.record(bright={"sent": sent(block), "exact": block.data == data == pixels(frame, block)})
    yield from probe.closed(handle)


def foreign_frames(probe, host):
    """Frames that were made in another document: in sRGB, in another profile, in one that Krita lacks."""
    from nst_krita.host.colour import Colours, profile_of

    found = {}
    # Before this space had a name on the wire, frames of 16 bits came with its profile.
    linear = profile_of(Colours("RGBA", "U16", "sRGB-elle-V2-g10.icc"))
    named = host.PixelBlock(struct.pack("<4H", 0, 14149, 65535, 65535) * 64, 8, 8, dtype="uint16")
    digest = hashlib.sha256(linear).hexdigest()
    earlier = replace(named, colour_space="icc", icc_digest=digest)
    now = replace(named, colour_space="linear-srgb")
    handle = yield from probe.opened((8, 8), profile="ClayRGB-elle-V2-g22.icc")
    handle.activeNode().setPixelData(b"\x20\x90\x40\xff" * 64, 0, 0, 8, 8)
    clay = frame_of(host, host.read_content(host.current(), host.current().source()).pixels)
    yield from probe.closed(handle)
    plain = host.PixelBlock(b"\x00\x80\xff\xff" * 64, 8, 8)
    unknown = host.PixelBlock(b"\x00\x80\xff\xff" * 64, 8, 8, colour_space="icc", icc_digest="0" * 64)
    for model, depth in (("CMYKA", "U8"), ("RGBA", "F32"), ("RGBA", "U8"), ("RGBA", "U16")):
        handle = yield from probe.opened((8, 8), model=model, depth=depth)
        layer = host.current().source()
        results = []
        for block in (plain, earlier, now, clay, unknown):
            before = len(frames(handle))
            node, told = yield from inserted(host, host.current(), layer, block)
            if told == ["one"] and node is not None:
                colours = host.current().colours
                results.append(list(probe.converted(node.pixelData(0, 0, 1, 1), 1, 1, colours)))
            else:
                results.append([told, len(frames(handle)) - before])
            if node is not None:
                node.parentNode().remove()
                yield 0.3
        found[f"{model} {depth}"] = results
        yield from probe.closed(handle)
    probe.record(foreign=found)


def strips(probe, host):
    """A large frame is converted in turns of the event loop, between which a stroke or *Cancel* can come."""
    side, ink = 1200, b"\x20\x40\x60\x10\xff"
    handle = yield from probe.opened((side, side), model="CMYKA", depth="U8")
    handle.activeNode().setPixelData(ink * side * side, 0, 0, side, side)
    block = host.read_content(host.current(), host.current().source()).pixels
    pen, done, skipped, turns = Calm(), [], [], []
    inserter = host.FrameInserter(
        *(host.current(), host.current().source(), "frames", pen),
        on_inserted=done.append,
        on_skipped=skipped.append,
    )
    advance, deep = inserter._advance, []

    def counted():
        turns.append(list(deep))
        deep.append(1)
        advance()
        deep.pop()

    inserter._advance = counted
    inserter.put(host.Frame(1, "one", frame_of(host, block)))
    yield lambda: turns
    pen.is_calm = lambda: False
    yield 1.0
    held = [len(turns), list(done), inserter.pending]
    pen.is_calm = lambda: True
    yield lambda: done
    data = pixels(frames(handle)[-1], block)
    probe.record(
        strips={"held": held, "turns": list(turns), "inks": [data[:5].hex(), data == data[:5] * side * side]}
    )
    del turns[:]
    inserter.put(host.Frame(2, "two", frame_of(host, block)))
    yield lambda: turns
    inserter.remove()
    yield 1.0
    probe.record(removed=[len(frames(handle)), done, inserter.pending, len(turns)])
    yield from probe.closed(handle)


def memory(probe):
    """Peak of memory that 20 conversions of 8 MB add; each scratch document held would be 12 MB and more."""
    from nst_krita.host.colour import EXCHANGE, converted
    from nst_krita.host.document import Colours

    source, target = Colours(*SRGB), Colours("RGBA", "U16", EXCHANGE)
    data = bytes(1024 * 1024 * 4)
    converted(data, 1024, 1024, source, target)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):
        converted(data, 1024, 1024, source, target)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    probe.record(memory_mb=(peak - before) / 1024)
