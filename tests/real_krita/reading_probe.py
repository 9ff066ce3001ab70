"""What the host layer reads from real documents, and what it refuses."""

import base64
import resource
import sys

from krita import Selection
from nst_probe.inserting import read_in_turns

WIDTH, HEIGHT = 96, 64
PROFILES = ("ClayRGB-elle-V2-g22.icc", "WideRGB-elle-V2-g22.icc", "sRGB-elle-V2-g10.icc")


def pattern(width, height, seed=1):
    """Bytes that differ from pixel to pixel, alpha included."""
    return bytes((index * 37 * seed + index // 251) % 256 for index in range(width * height * 4))


def opaque(width, height):
    data = bytearray(pattern(width, height))
    data[3::4] = b"\xff" * (width * height)
    return bytes(data)


def refusal(call):
    """Message and hint of the HostError that the call raises."""
    from nst_krita.host import HostError

    try:
        call()
    except HostError as error:
        return [error.message, error.hint]
    return None


def steps(probe):
    probe.bare_package("nst_krita")
    from nst_krita import host

    refused = {"no document": refusal(lambda: host.current().source())}
    probe.record(null=[host.current().is_open, host.current().layers(), bool(host.current())])

    handle = probe.document(WIDTH, HEIGHT)
    yield 0.5
    document = host.current()
    node = handle.activeNode()
    data = pattern(WIDTH, HEIGHT)
    node.setPixelData(data, 0, 0, WIDTH, HEIGHT)
    handle.refreshProjection()
    handle.setModified(False)
    yield 0.5
    content = host.read_content(document, document.source())
    probe.record(
        exact=content.pixels.data == data,
        description=content.pixels.description,
        icc=content.pixels.icc,
        no_mask=content.mask is None,
        same_document=document == host.current() and document.id == host.current().id,
        by_id=document.source(content.layer.id).name,
        size=document.size,
        undo=probe.undo_texts(),
        modified=handle.modified(),
    )
    refused["unknown layer"] = refusal(lambda: document.source("{nothing}"))
    yield from layers(probe, host, handle, document, node, refused)
    yield from selections(probe, host, handle, document, node, refused)
    yield from documents(probe, host, document, node, refused)
    yield from hidden_regions(probe, host, refused)
    yield from unseen(probe, host, refused)
    probe.record(refused=refused)
    yield from profiles(probe, host)
    yield from strips(probe, host)
    yield from timing(probe, host)
    probe.record(recent=kritarc_recent(probe))


def layers(probe, host, handle, document, node, refused):
    data = node.pixelData(0, 0, WIDTH, HEIGHT).data()
    # A patch reaching over the canvas' edge is read where it is inside.
    patch = handle.createNode("patch", "paintlayer")
    handle.rootNode().addChildNode(patch, node)
    square = opaque(20, 20)
    patch.setPixelData(square, WIDTH - 10, 5, 20, 20)
    handle.refreshProjection()
    yield 0.5
    over = host.read_content(document, host.Layer(patch))
    rows = b"".join(square[row * 80 : row * 80 + 40] for row in range(20))
    probe.record(over=over.pixels.description, over_exact=over.pixels.data == rows)

    patch.setPixelData(bytes(1600), WIDTH - 10, 5, 20, 20)
    patch.move(0, 0)
    patch.setPixelData(square, WIDTH + 50, 5, 20, 20)
    yield 0.5
    refused["outside"] = refusal(lambda: host.read_content(document, host.Layer(patch)))
    empty = handle.createNode("nothing", "paintlayer")
    handle.rootNode().addChildNode(empty, node)
    yield 0.5
    refused["empty"] = refusal(lambda: host.read_content(document, host.Layer(empty)))
    empty.setPixelData(square, 0, 0, 20, 20)
    empty.setVisible(False)
    yield 0.5
    refused["hidden"] = refusal(lambda: host.read_content(document, host.Layer(empty)))
    hidden = host.read_content(document, host.Layer(empty), may_be_hidden=True)
    probe.record(hidden_frame=hidden.pixels.data == square)
    hidden_style = host.read_style(host.StyleChoice(document, host.Layer(empty)))
    probe.record(hidden_style=hidden_style.data == square)
    node.setLocked(True)
    probe.record(locked=host.read_content(document, host.Layer(node)).pixels.data == data)
    node.setLocked(False)

    group = handle.createGroupLayer("group")
    handle.rootNode().addChildNode(group, None)
    inner = handle.createNode("inner", "paintlayer")
    inner.setPixelData(square, 3, 4, 20, 20)
    group.addChildNode(inner, None)
    yield 0.5
    grouped = host.read_content(document, host.Layer(group))
    probe.record(group=grouped.pixels.description, group_exact=grouped.pixels.data == square)
    group.setPassThroughMode(True)
    refused["pass-through"] = refusal(lambda: host.read_content(document, host.Layer(group)))
    group.setPassThroughMode(False)
    mask = handle.createNode("mask", "transparencymask")
    node.addChildNode(mask, None)
    yield 0.5
    refused["mask"] = refusal(lambda: host.read_content(document, host.Layer(mask)))
    mask.remove()
    yield 0.5


def documents(probe, host, document, node, refused):
    other = probe.document(40, 30)
    yield 0.5
    choices = host.styles(document, host.Layer(node))
    whole = host.read_style(choices[-1])
    thumbnails = [choice.thumbnail(16) for choice in (choices[1], choices[-1])]
    probe.record(
        styles=[choice.label for choice in choices],
        whole=whole.description,
        thumbnails=[[picture.width(), picture.height()] for picture in thumbnails],
    )
    closed = host.current()
    other.setModified(False)
    other.close()
    yield 0.5
    refused["closed"] = refusal(closed.source)
    refused["closed content"] = refusal(lambda: host.read_content(closed, host.Layer(node)))
    probe.record(closed=[closed.is_open, closed.layers(), document.is_open])

    flat = probe.document(32, 32, model="A", depth="U8")
    yield 0.5
    refused["opacity"] = refusal(lambda: host.read_content(host.current(), host.current().source()))
    refused["opacity style"] = refusal(lambda: host.read_style(host.StyleChoice(host.current(), None)))
    refused["opacity frames"] = refusal(lambda: host.must_have_colour(host.current().colours))
    flat.setModified(False)
    flat.close()
    yield 0.5


def hidden_regions(probe, host, refused):
    """A paint layer marks a region while it is hidden as well; of a group Krita then has no picture."""
    handle = probe.document(20, 20)
    yield 0.5
    group = handle.createGroupLayer("group")
    inner = handle.createNode("inner", "paintlayer")
    inner.setPixelData(opaque(4, 4), 3, 4, 4, 4)
    group.addChildNode(inner, None)
    handle.rootNode().addChildNode(group, None)
    yield 0.5
    document = host.current()
    shown = host.read_alpha(document, host.Layer(group))
    group.setVisible(False)
    inner.setVisible(False)
    yield 0.5
    hidden = host.read_alpha(document, host.Layer(inner))
    probe.record(regions=[block.description for block in (shown, hidden)])
    refused["hidden region"] = refusal(lambda: host.read_alpha(document, host.Layer(group)))
    handle.setModified(False)
    handle.close()
    yield 0.5


def unseen(probe, host, refused):
    """Layers that have paint, of which nothing is to be seen all the same."""
    handle = probe.document(60, 40)
    yield 0.5
    corners = handle.createNode("corners", "paintlayer")
    corners.setPixelData(opaque(4, 4), 0, 0, 4, 4)
    corners.setPixelData(opaque(4, 4), 56, 36, 4, 4)
    handle.rootNode().addChildNode(corners, None)
    between = Selection()
    between.select(20, 10, 20, 10, 255)
    handle.setSelection(between)
    yield 0.5
    document, layer = host.current(), host.Layer(corners)
    refused["between"] = refusal(lambda: host.read_content(document, layer))
    between.select(20, 10, 20, 10, 100)
    handle.setSelection(between)
    refused["half between"] = refusal(lambda: host.read_content(document, layer))
    handle.setSelection(None)
    # Scripting makes no mask that hides a layer in all four Kritas.
    reading = sys.modules[f"{host.__name__}.reading"]
    shows, reading.shows = reading.shows, lambda *_: False
    refused["veiled"] = refusal(lambda: host.read_content(document, layer))
    reading.shows = shows
    handle.setModified(False)
    handle.close()
    yield 0.5


def kritarc_recent(probe):
    text = (probe.work / "home/.config/kritarc").read_text(encoding="utf-8")
    part = text.partition("[RecentFiles]")[2].partition("[")[0]
    return [line for line in part.splitlines() if line.strip()]


def selections(probe, host, handle, document, node, refused):
    chosen = Selection()
    chosen.select(20, 10, 30, 20, 255)
    chosen.feather(4)
    handle.setSelection(chosen)
    yield 0.5
    content = host.read_content(document, host.Layer(node))
    area = rectangle_of(handle.selection())
    probe.record(
        selection=area,
        mask=content.mask.description,
        mask_matches=content.mask.data == handle.selection().pixelData(*area).data(),
        mask_values=sorted(set(content.mask.data)),
        selected_matches=content.pixels.data == node.pixelData(*area).data(),
    )
    everything = Selection()
    everything.select(0, 0, WIDTH, HEIGHT, 255)
    handle.setSelection(everything)
    probe.record(all_selected=host.read_content(document, host.Layer(node)).mask is None)
    away = Selection()
    away.select(WIDTH + 20, 10, 30, 20, 255)
    handle.setSelection(away)
    refused["selected away"] = refusal(lambda: host.read_content(document, host.Layer(node)))
    nothing = Selection()
    handle.setSelection(nothing)
    refused["nothing selected"] = refusal(lambda: host.read_content(document, host.Layer(node)))
    handle.setSelection(None)
    yield 0.5


def rectangle_of(selection):
    return [selection.x(), selection.y(), selection.width(), selection.height()]


def profiles(probe, host):
    """For each profile: its bytes, some colours, and the same colours as Krita converts them to sRGB."""
    found = {}
    data = opaque(16, 16)
    for profile in PROFILES:
        handle = probe.document(16, 16, profile=profile)
        yield 0.5
        handle.activeNode().setPixelData(data, 0, 0, 16, 16)
        handle.refreshProjection()
        handle.setModified(False)
        yield 0.3
        content = host.read_content(host.current(), host.current().source())
        undo, documents = probe.undo_texts(), len(probe.app.documents())
        scratch = probe.document(16, 16, profile=profile, view=False)
        node = scratch.createNode("colours", "paintlayer")
        scratch.rootNode().addChildNode(node, None)
        node.setPixelData(data, 0, 0, 16, 16)
        node.setColorSpace("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
        converted = node.pixelData(0, 0, 16, 16).data()
        scratch.close()
        found[profile] = {
            "colour_space": content.pixels.colour_space,
            "icc": base64.b64encode(content.pixels.icc).decode(),
            "pixels": content.pixels.data.hex(),
            "krita_srgb": converted.hex(),
            "undo": undo,
            "documents_added": len(probe.app.documents()) - documents,
            "modified": handle.modified(),
        }
    probe.record(profiles=found)


def strips(probe, host):
    """What the painter does while a layer is read, and how much of it is handled at a time."""
    import krita
    from nst_krita.host import colour, reading

    give_way, found, turns = reading.give_way, {}, []
    handled = [0]

    def turned(meanwhile=lambda: None):
        def turn():
            turns.append(handled[0])
            handled[0] = 0
            give_way()
            meanwhile()

        reading.give_way = colour.give_way = turn

    def counted(owner, name):
        call = getattr(owner, name)  # sip fills the class's dictionary only when a name is asked for
        kept = vars(owner)[name]

        def count(*arguments):
            result = call(*arguments)
            handled[0] += len(result)
            return result

        setattr(owner, name, count)
        return lambda: setattr(owner, name, kept)

    restore = [counted(krita.Node, name) for name in ("pixelData", "projectionPixelData")]
    side = 2048
    for depth, size in (("U8", 4), ("U16", 8), ("F32", 16)):
        handle = yield from probe.opened((side, side), depth=depth)
        node = handle.activeNode()
        first, second = (bytes((value,)) * side * side * size for value in (20, 30))
        node.setPixelData(first, 0, 0, side, side)
        handle.refreshProjection()
        yield 0.5
        del turns[:]
        handled[0] = 0
        turned(lambda node=node, second=second: node.setPixelData(second, 0, 0, side, side))
        content = host.read_content(host.current(), host.current().source())
        turned()
        found[depth] = {
            "untorn": content.pixels.data == first,
            "turns": len(turns),
            "at_once": max([*turns, handled[0]]),
            "painted": node.pixelData(0, 0, side, 8).data() == second[: side * 8 * size],
        }
        if depth == "U8":
            yield from kept_memory(host, node, (first, second), found)
        if depth == "F32":
            turned(lambda handle=handle: (handle.setModified(False), handle.close()))
            found["closed"] = refusal(lambda: host.read_content(host.current(), host.current().source()))
            yield 0.5
        else:
            yield from probe.closed(handle)
    for undo in restore:
        undo()
    yield from composed(probe, host, turned, found)
    reading.give_way = colour.give_way = give_way
    yield from converting(probe, host, colour, found)
    found["strip_bytes"] = reading.STRIP_BYTES
    probe.record(strips=found)


def composed(probe, host, turned, found):
    """A document that is drawn from several layers; also one with a layer that is not copied."""
    side = 2048
    handle = yield from probe.opened((side, side))
    document, root, node = host.current(), handle.rootNode(), handle.activeNode()
    node.setPixelData(bytes((20, 30, 40, 255)) * side * side, 0, 0, side, side)
    group = handle.createGroupLayer("group")
    root.addChildNode(group, None)
    inner = handle.createNode("inner", "paintlayer")
    inner.setPixelData(bytes((200, 30, 40, 128)) * 900 * 900, 500, 500, 900, 900)
    group.addChildNode(inner, None)
    chosen = Selection()
    chosen.select(0, 0, 1000, side, 255)
    group.addChildNode(handle.createFilterMask("inverted", probe.app.filter("invert"), chosen), None)
    for kind in ("copied", "clone layer"):
        if kind == "clone layer":
            root.addChildNode(handle.createCloneLayer(kind, inner), None)
        handle.refreshProjection()
        yield 1.0
        undo, turns = probe.undo_texts(), []
        drawn = root.projectionPixelData(0, 0, side, side).data()

        def paint(turns=turns, value=3 if kind == "copied" else 7):
            turns.append(1)
            if len(turns) == 1:
                node.setPixelData(bytes((value, 0, 0, 255)) * side * side, 0, 0, side, side)
                handle.refreshProjection()

        turned(paint)
        whole = host.read_style(host.StyleChoice(document, None))
        turned()
        yield 1.0
        now = root.projectionPixelData(0, 0, side, side).data()
        found[kind] = [whole.data == drawn, now != drawn, len(turns), probe.undo_texts() == undo]
    yield from probe.closed(handle)


def converting(probe, host, colour, found):
    """How much is converted at a time."""
    handle = yield from probe.opened((1200, 1200), model="CMYKA", depth="U8")
    handle.activeNode().setPixelData(bytes((20, 30, 40, 50, 255)) * 1200 * 1200, 0, 0, 1200, 1200)
    yield 0.5
    convert, sizes = colour.Converter.convert, []
    colour.Converter.convert = lambda self, data, *size: sizes.append(len(data)) or convert(self, data, *size)
    content = host.read_content(host.current(), host.current().source())
    data = bytes(content.pixels.data)
    found["converted"] = [sizes, colour.CONVERTED_PIXELS, data == data[:8] * 1200 * 1200]
    colour.Converter.convert = convert
    yield from probe.closed(handle)


def kept_memory(host, node, pictures, found):
    """Peak of memory that reading a layer of 16 MB twenty times adds, with the layer changed after each."""
    document = host.current()
    for _ in range(2):
        host.read_content(document, document.source())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for turn in range(20):
        host.read_content(document, document.source())
        node.setPixelData(pictures[turn % 2], 0, 0, 2048, 2048)
        yield
    found["memory_mb"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def timing(probe, host):
    """What reading 2048×2048 with a selection takes, turn by turn."""
    side = 2048
    handle = probe.document(side, side, profile=PROFILES[0])
    yield 0.5
    handle.activeNode().setPixelData(pattern(side, 64) * (side // 64), 0, 0, side, side)
    handle.refreshProjection()
    chosen = Selection()
    chosen.select(10, 10, side - 20, side - 20, 255)
    chosen.feather(5)
    handle.setSelection(chosen)
    yield 1.0
    spent = probe.count_krita_time()
    probe.record(read_2k_ms=read_in_turns(host, spent))
