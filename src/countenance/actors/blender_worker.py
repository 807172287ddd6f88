"""Draw frames with Cycles, in a process and an environment of their own: one JSON command per line in, one reply out.

    {"figure": "folder/figure.npz"}
    {"frame": "folder/posed.npz", "output": "0001.png", "camera": {…}, "light": {…},
     "size": 256, "samples": 8, "seed": 7}

The replies are `{"ready": version}` at the start, then `{"done": path, "cpu_s": seconds}` or `{"error": text}`. A
frame's file appears under its name only once it is complete. The arrays in the files are those of `cycles.py`; the
world is metres, y up, z towards the camera. This file imports nothing of its package, because Blender needs another
NumPy. It is started with the number of threads as its argument.

A frame depends on its command and the figure alone, never on the frames before it.
"""

import json
import math
import os
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
NUM_THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 1
if CORES:
    # Blender's thread pools take their size from here, once. Larger ones spin beside the threads that draw, which
    # doubles the time, and the denoiser's sums depend on them in the last bit.
    os.sched_setaffinity(0, CORES[:NUM_THREADS])

# Standard output carries replies only; everything Blender prints goes to standard error.
REPLIES = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import bpy  # noqa: E402
import numpy as np  # noqa: E402

Arrays = Mapping[str, Any]

SENSOR_MM = 36.0
LAMP_DISTANCE_M = 1.3
MAX_LAMPS = 4
BACKGROUND_BLUR_DEG = 1.3
"""Radius of the disc by which the camera sees the surroundings out of focus; the light comes from the sharp ones."""
BRIGHTEST_BACKGROUND = 6.0
"""Upper limit in the blurred copy; without it the sun's disc would become a white ball."""
FINE_SIZE = 384
"""From this picture size on, the skin gets detail of less than two millimetres."""
YARNS_PER_M = 420.0
SUBSURFACE_WEIGHT, SUBSURFACE_RADIUS, SUBSURFACE_M = 0.8, (1.0, 0.37, 0.19), 0.0024
"""How much of the light goes under the skin, and how far: by colour, times metres."""
RELIEF_M = 0.0012
"""Height of the skin's relief between 0 and 255."""
FIBRES: dict[str, tuple[Any, Any]] = {}
"""Radii and colours of each kind of hair of the figure."""
BODY = {
    "skin": "skin_xyz",
    "wet": "wet_xyz",
    "teeth": "teeth_xyz",
    "gum": "gum_xyz",
    "tongue": "tongue_xyz",
    "cloth": "cloth_xyz",
    "glasses": "glasses_xyz",
    "lenses": "lenses_xyz",
}
"""Meshes, and the array of a frame that holds their points."""


class Shader:
    """The nodes of a material or a world, wired one after another."""

    def __init__(self, owner: Any) -> None:
        owner.use_nodes = True
        self.tree = owner.node_tree
        self.tree.nodes.clear()

    def add(self, kind: str, inputs: Mapping[Any, Any] | None = None, **settings: Any) -> Any:
        """A node of type `ShaderNode{kind}`; an input is a value or another node's output."""
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for name, value in settings.items():
            setattr(node, name, value)
        for name, value in (inputs or {}).items():
            self.connect(value, node.inputs[name])
        return node

    def connect(self, value: Any, socket: Any) -> None:
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        else:
            socket.default_value = value

    def math(self, operation: str, *values: Any) -> Any:
        return self.add("Math", dict(enumerate(values)), operation=operation).outputs[0]

    def between(self, value: Any, start: float, end: float) -> Any:
        """0 at `start`, 1 at `end`, smooth in between."""
        node = self.add(
            "MapRange", {"Value": value, "From Min": start, "From Max": end}, interpolation_type="SMOOTHSTEP"
        )
        return node.outputs[0]

    def mix(self, share: Any, first: Any, second: Any, blend: str = "MIX") -> Any:
        """Of two colours."""
        node = self.add("Mix", data_type="RGBA", blend_type=blend)
        for index, value in ((0, share), (6, first), (7, second)):
            self.connect(value, node.inputs[index])
        return node.outputs[2]

    def noise(self, where: Any, scale: float, detail: float = 2.0, roughness: float = 0.5) -> Any:
        """About 0.5 on average, in cycles a unit."""
        inputs = {"Vector": where, "Scale": scale, "Detail": detail, "Roughness": roughness}
        return self.add("TexNoise", inputs).outputs[0]

    def attribute(self, name: str, output: str = "Vector") -> Any:
        return self.add("Attribute", attribute_name=name).outputs[output]

    def picture(self, name: str) -> Any:
        """The colour of one of the figure's maps."""
        return self.add("TexImage", image=bpy.data.images[name], extension="EXTEND").outputs[0]

    def bump(self, height_m: Any, strength: float = 1.0) -> Any:
        return self.add("Bump", {"Height": height_m, "Strength": strength, "Distance": 1.0}).outputs[0]

    def surface(self, **inputs: Any) -> None:
        """Blender's principled surface becomes the output; `base_color` is its input "Base Color"."""
        named = {_spoken(name): value for name, value in inputs.items()}
        node = self.add("BsdfPrincipled", named)
        node.subsurface_method = "BURLEY"
        self.finish(node.outputs[0])

    def finish(self, shader: Any) -> None:
        self.add(f"Output{'World' if isinstance(self.tree.id_data, bpy.types.World) else 'Material'}", {0: shader})


def _spoken(name: str) -> str:
    return " ".join(part.upper() if part == "ior" else part.capitalize() for part in name.split("_"))


def colour(rgb: Any, factor: float = 1.0) -> tuple[float, float, float, float]:
    """A linear colour as Blender takes it."""
    red, green, blue = (min(1.0, max(0.0, float(value) * factor)) for value in np.asarray(rgb).ravel()[:3])
    return red, green, blue, 1.0


def start(threads: int) -> None:
    """An empty scene with the renderer's settings."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.threads_mode, render.threads = "FIXED", threads
    render.use_persistent_data = True
    render.use_file_extension = False
    render.dither_intensity = 0.0
    for name in dir(render):
        # What Blender would write into the file besides the picture, such as the date.
        if name.startswith("use_stamp_") and not name.startswith("use_stamp_l"):
            setattr(render, name, False)
    settings = render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth, settings.compression = "PNG", "RGB", "8", 40
    scene.view_settings.view_transform = "Filmic"
    scene.view_settings.look = "Medium High Contrast"

    cycles.device = "CPU"
    cycles.use_adaptive_sampling = False
    cycles.use_light_tree = False
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    cycles.denoising_prefilter = "FAST"
    cycles.denoising_quality = "BALANCED"
    cycles.max_bounces = 3
    cycles.diffuse_bounces = 1
    cycles.glossy_bounces = 1
    cycles.transmission_bounces = 2
    cycles.transparent_max_bounces = 4
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 3.0
    scene.cycles_curves.shape = "RIBBONS"

    camera = bpy.data.cameras.new("camera")
    camera.sensor_fit, camera.sensor_width = "HORIZONTAL", SENSOR_MM
    camera.clip_start = 0.01
    scene.camera = bpy.data.objects.new("camera", camera)
    scene.collection.objects.link(scene.camera)
    scene.world = bpy.data.worlds.new("world")
    for number in range(MAX_LAMPS):
        add_object(f"lamp_{number}", bpy.data.lights.new(f"lamp_{number}", "AREA"))


def build(figure: Arrays) -> None:
    """A new scene with this person: one that held another before would draw other noise."""
    start(NUM_THREADS)
    add_picture("skin_rgb", figure["skin_rgb"], "sRGB")
    add_picture("skin_roughness", figure["skin_roughness"], "Non-Color")
    add_picture("skin_height", figure["skin_height"], "Non-Color")
    lines = figure["skin_lines"]
    for number in range(0, len(lines), 3):
        three = np.zeros((*lines.shape[1:], 3), np.uint8)
        three[..., : len(lines) - number] = np.moveaxis(lines[number : number + 3], 0, -1)
        add_picture(f"skin_lines_{number}", three, "Non-Color")

    skin = add_mesh("skin", figure["skin_faces"], len(figure["skin_rest"]), skin_material("skin", figure, fine=False))
    skin_material("fine skin", figure, fine=True)
    set_vectors(skin, "rest", figure["skin_rest"])
    layer = skin.uv_layers.new(name="uv")
    layer.data.foreach_set("uv", np.ascontiguousarray(figure["skin_uv"], np.float32).ravel())
    for side in ("eye_left", "eye_right"):
        for name in ("iris", "sclera"):
            add_picture(f"{side}_{name}", figure[f"{side}_{name}"], "sRGB")
        mesh = add_mesh(side, figure["eye_faces"], len(figure["eye_points"]), eye_material(side, figure["eye_shape"]))
        mesh.vertices.foreach_set("co", np.ascontiguousarray(figure["eye_points"], np.float32).ravel())
        mesh.update()
    wet = add_mesh("wet", figure["wet_faces"], len(figure["wet_rgb"]), wet_material("wet", roughness=0.12))
    set_vectors(wet, "rgb", figure["wet_rgb"])
    materials = {
        "teeth": teeth_material(),
        "gum": wet_material("gum", roughness=0.28),
        "tongue": wet_material("tongue", roughness=0.4),
        "cloth": cloth_material(figure["cloth_rgb"]),
        "glasses": glasses_material(figure["glasses_rgb"], metal=bool(figure["glasses_metal"])),
        "lenses": lens_material(float(figure["lenses_reflectance"])),
    }
    for name, material in materials.items():
        faces = figure[f"{name}_faces"]
        mesh = add_mesh(name, faces, int(faces.max()) + 1 if len(faces) else 0, material)
        if name in ("teeth", "gum", "tongue"):
            set_vectors(mesh, "rgb", figure[f"{name}_rgb"])
    for number in range(int(figure["num_occluders"])):
        name = f"occluder{number}"
        rest = figure[f"{name}_rest"]
        mesh = add_mesh(name, figure[f"{name}_faces"], len(rest), occluder_material(name, figure[f"{name}_material"]))
        set_vectors(mesh, "rest", rest)
        set_vectors(mesh, "rgb", figure[f"{name}_rgb"])

    if len(figure["lenses_passing"]):
        set_vectors(bpy.data.meshes["lenses"], "passing", figure["lenses_passing"])
    add_strands("hair", figure["hair_strands"], figure["hair_radius"], figure["hair_rgb"])
    for name in ("brow", "lash", "beard"):
        none = np.zeros((0, 5, 3), np.float32)
        add_strands(name, none, figure[f"{name}_radius"], figure[f"{name}_rgb"])


def add_picture(name: str, pixels: Any, colour_space: str) -> None:
    """A map of the skin; the first row of `pixels` is the top."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(name, width, height, is_data=colour_space == "Non-Color")
    image.colorspace_settings.name = colour_space
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = np.asarray(pixels, np.float32).reshape(height, width, -1) / 255
    image.pixels.foreach_set(rgba[::-1].ravel())
    image.update()


def add_mesh(name: str, faces: Any, num_points: int, material: Any) -> Any:
    """Smooth quads, whose points come with a frame."""
    mesh = bpy.data.meshes.new(name)
    quads = np.ascontiguousarray(faces, np.int32).reshape(-1, 4)
    mesh.vertices.add(num_points)
    mesh.loops.add(quads.size)
    mesh.polygons.add(len(quads))
    mesh.loops.foreach_set("vertex_index", quads.ravel())
    mesh.polygons.foreach_set("loop_start", np.arange(0, quads.size, 4, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(quads), bool))
    mesh.update(calc_edges=True)
    mesh.materials.append(material)
    add_object(name, mesh)
    return mesh


def add_object(name: str, data: Any) -> None:
    bpy.context.scene.collection.objects.link(bpy.data.objects.new(name, data))


def set_vectors(mesh: Any, name: str, values: Any) -> None:
    """A vector for each point, as an attribute that shaders read."""
    attribute = mesh.attributes.get(name) or mesh.attributes.new(name, "FLOAT_VECTOR", "POINT")
    attribute.data.foreach_set("vector", np.ascontiguousarray(values, np.float32).ravel())


def add_strands(name: str, strands: Any, radius_m: Any, rgb: Any) -> None:
    """Hair of one kind, an object even where there is none of it yet.

    Radii are those of all points [N, K], or those at the roots, of each strand [N] or of all of them [1]; so are the
    linear colours, [N, 3] or [1, 3].
    """
    curves = bpy.data.hair_curves.new(name)
    curves.materials.append(hair_material(name))
    FIBRES[name] = np.array(radius_m, np.float32), np.array(rgb, np.float32)
    add_object(name, curves)
    set_strands(curves, strands)


def set_strands(curves: Any, strands: Any) -> None:
    """Points of all strands [N, K, 3]; how thick they are and their colour, where there were others before."""
    num_strands, num_points = strands.shape[:2]
    if len(curves.curves) != num_strands:
        curves.remove_curves()
        curves.add_curves([num_points] * num_strands)
        radius, rgb = FIBRES[curves.name]
        if radius.ndim == 1:
            radius = radius[:, None] * np.linspace(1.0, 0.25, num_points)
        widths = np.broadcast_to(radius, (num_strands, num_points))
        attribute = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
        attribute.data.foreach_set("value", np.ascontiguousarray(widths, np.float32).ravel())
        attribute = curves.attributes.get("fibre_rgb") or curves.attributes.new("fibre_rgb", "FLOAT_VECTOR", "CURVE")
        colours = np.broadcast_to(rgb, (num_strands, 3))
        attribute.data.foreach_set("vector", np.ascontiguousarray(colours, np.float32).ravel())
    curves.points.foreach_set("position", np.ascontiguousarray(strands, np.float32).ravel())
    curves.update_tag()


def place(posed: Arrays) -> None:
    """Move the person in the scene to where a frame has it."""
    occluders = {name.removesuffix("_xyz"): name for name in posed if name.startswith("occluder")}
    for name, array in (*BODY.items(), *occluders.items()):
        mesh = bpy.data.meshes[name]
        if len(mesh.vertices):
            mesh.vertices.foreach_set("co", np.ascontiguousarray(posed[array], np.float32).ravel())
            mesh.update()
    # The shirt doesn't move.
    set_vectors(bpy.data.meshes["cloth"], "rest", posed["cloth_xyz"])
    for side in ("eye_left", "eye_right"):
        bpy.data.objects[side].matrix_world = np.asarray(posed[f"{side}_matrix"], np.float64).T.tolist()
    to_head = np.linalg.inv(np.asarray(posed["head_matrix"], np.float64))
    teeth = np.asarray(posed["teeth_xyz"], np.float64)
    if len(teeth):
        # As the head lies in its neutral pose; z = 0 at the foremost tooth.
        rest = teeth @ to_head[:3, :3].T + to_head[:3, 3]
        set_vectors(bpy.data.meshes["teeth"], "rest", rest - [0, 0, rest[:, 2].max()])
    for material in ("skin", "fine skin"):
        nodes = bpy.data.materials[material].node_tree.nodes
        for number, weight in enumerate(posed["line_weights"]):
            nodes[f"line_{number}"].outputs[0].default_value = float(weight)
    bpy.data.objects["hair"].matrix_world = np.asarray(posed["head_matrix"], np.float64).T.tolist()
    for name in ("brow", "lash", "beard"):
        set_strands(bpy.data.hair_curves[name], posed[f"{name}_strands"])


def aim(camera: Arrays) -> None:
    """A pinhole; `focal` is in units of the picture's side."""
    position, look_at = (np.asarray(camera[name], np.float64) for name in ("position", "look_at"))
    placed = bpy.context.scene.camera
    placed.matrix_world = looking(position, look_at)
    placed.data.lens = camera["focal"] * SENSOR_MM


def looking(position: Any, look_at: Any) -> Any:
    """Blender's matrix of a camera or lamp, which look along their −z; its rows are the columns of the usual one."""
    back = (position - look_at) / np.linalg.norm(position - look_at)
    right = np.cross([0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    rows = np.zeros((4, 4))
    rows[:3, :3] = right, np.cross(back, right), back
    rows[3] = *position, 1
    return rows.tolist()


def light_up(light: Arrays, around: Any) -> None:
    """Surroundings, and lamps around a point."""
    world = bpy.context.scene.world
    name = light["environment"]
    if world.get("environment") != name:
        world["environment"] = name
        build_world(world, name)
    nodes = world.node_tree.nodes
    nodes["turn"].inputs["Rotation"].default_value = (math.pi / 2, 0.0, math.radians(light["turn_deg"]))
    nodes["strength"].inputs["Strength"].default_value = light["strength"]

    for side in ("eye_left", "eye_right"):
        pupil = bpy.data.materials[side].node_tree.nodes["pupil_scale"]
        pupil.outputs[0].default_value = light["pupil_scale"]

    # Lamps are never added or removed: that would change the order of Cycles' random numbers from then on.
    lamps = light.get("lamps", ())
    if len(lamps) > MAX_LAMPS:
        raise ValueError(f"expected {MAX_LAMPS} lamps at most, got {len(lamps)}")
    for number in range(MAX_LAMPS):
        placed = bpy.data.objects[f"lamp_{number}"]
        if number >= len(lamps):
            placed.data.energy = 0.0
            continue
        wanted = lamps[number]
        placed.data.energy, placed.data.size, placed.data.color = wanted["power_w"], wanted["size_m"], wanted["rgb"]
        azimuth, elevation = math.radians(wanted["azimuth_deg"]), math.radians(wanted["elevation_deg"])
        direction = np.array(
            [math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)]
        )
        placed.matrix_world = looking(around + LAMP_DISTANCE_M * direction, around)


def build_world(world: Any, name: str) -> None:
    """One of Blender's CC0 environments; the camera sees it out of focus."""
    path = Path(bpy.utils.resource_path("LOCAL"), "datafiles/studiolights/world", f"{name}.exr")
    sharp = bpy.data.images.load(str(path), check_existing=True)
    sharp.colorspace_settings.name = "Linear Rec.709"
    blurred = bpy.data.images.get(f"{name} blurred") or blur(sharp, f"{name} blurred")
    shader = Shader(world)
    direction = shader.add("TexCoord").outputs["Generated"]
    turned = shader.add("Mapping", {"Vector": direction}, name="turn").outputs[0]
    pictures = [
        shader.add("TexEnvironment", {"Vector": turned}, image=image, interpolation=interpolation).outputs[0]
        for image, interpolation in ((sharp, "Linear"), (blurred, "Cubic"))
    ]
    seen = shader.add("LightPath").outputs["Is Camera Ray"]
    shader.finish(shader.add("Background", {"Color": shader.mix(seen, *pictures)}, name="strength").outputs[0])
    world.cycles.sampling_method = "MANUAL"
    world.cycles.sample_map_resolution = 512


def blur(image: Any, name: str) -> Any:
    """A lower copy of an environment through a disc, which is exact at the horizon only."""
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    step = max(1, width // 1024)
    rgba = np.minimum(pixels.reshape(height, width, 4)[::step, ::step], BRIGHTEST_BACKGROUND)
    height, width = rgba.shape[:2]
    radius = BACKGROUND_BLUR_DEG * width / 360
    padding = int(radius) + 2
    padded = np.pad(rgba, ((padding, padding), (0, 0), (0, 0)), mode="edge")
    rows, columns = np.ogrid[: padded.shape[0], :width]
    distance = np.hypot(np.minimum(rows, padded.shape[0] - rows), np.minimum(columns, width - columns))
    disc = np.clip(radius + 0.5 - distance, 0, 1)
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * np.fft.rfft2(disc / disc.sum())[..., None]
    result = np.fft.irfft2(spectrum, s=padded.shape[:2], axes=(0, 1))[padding:-padding]
    copy = bpy.data.images.new(name, width, height, float_buffer=True)
    copy.colorspace_settings.name = "Linear Rec.709"
    copy.pixels.foreach_set(np.ascontiguousarray(np.maximum(result, 0), np.float32).ravel())
    copy.update()
    return copy


def skin_material(name: str, figure: Arrays, *, fine: bool) -> Any:
    """Maps of the figure, lines by their weights, and light that goes under the skin; `fine` adds pores and grain."""
    material = bpy.data.materials.new(name)
    shader = Shader(material)
    base, roughness = shader.picture("skin_rgb"), shader.picture("skin_roughness")
    crease = skin_lines(shader, figure)
    height = shader.math("MULTIPLY", shader.picture("skin_height"), RELIEF_M)
    height = shader.math("MULTIPLY_ADD", crease, -float(figure["line_depth_m"]), height)
    base = shader.mix(crease, base, colour(figure["line_shade_rgb"]), blend="MULTIPLY")
    if fine:
        rest = shader.attribute("rest")
        distance = shader.add("TexVoronoi", {"Vector": rest, "Scale": 1000.0}).outputs["Distance"]
        pit = shader.math("SUBTRACT", 1.0, shader.between(distance, 0.0, 0.5))
        grain = shader.noise(rest, 1500.0, detail=1.0)
        height = shader.math("MULTIPLY_ADD", pit, -0.00006, height)
        height = shader.math("MULTIPLY_ADD", grain, 0.00006, height)
        base = shader.mix(shader.math("MULTIPLY", pit, 0.12), base, (0.55, 0.42, 0.38, 1), blend="MULTIPLY")
        roughness = shader.math("ADD", shader.math("MULTIPLY_ADD", pit, 0.08, roughness), -0.02)
    shader.surface(
        base_color=base,
        roughness=roughness,
        normal=shader.bump(height),
        subsurface_weight=SUBSURFACE_WEIGHT,
        subsurface_radius=SUBSURFACE_RADIUS,
        subsurface_scale=SUBSURFACE_M,
        specular_ior_level=0.36,
    )
    return material


def skin_lines(shader: Shader, figure: Arrays) -> Any:
    """Depth of all lines of an expression, each by a node `line_0`, `line_1` … that a frame sets."""
    left, bottom, width = (float(value) for value in figure["lines_box"])
    where = shader.add(
        "Mapping",
        {
            "Vector": shader.attribute("uv"),
            "Location": (-left / width, -bottom / width, 0.0),
            "Scale": (1 / width, 1 / width, 1.0),
        },
    ).outputs[0]
    total: Any = 0.0
    for number in range(len(figure["skin_lines"])):
        if number % 3 == 0:
            image = bpy.data.images[f"skin_lines_{number}"]
            three = shader.add("TexImage", {"Vector": where}, image=image, extension="CLIP").outputs[0]
            channels = shader.add("SeparateColor", {"Color": three}).outputs
        weight = shader.add("Value", name=f"line_{number}").outputs[0]
        total = shader.math("MULTIPLY_ADD", channels[number % 3], weight, total)
    return shader.math("MINIMUM", total, 1.0)


def eye_material(side: str, shape: Any) -> Any:
    """The maps of an eye; the iris lies in a plane behind the cornea, which bends what is seen of it."""
    iris_radius, pupil_radius, iris_depth, index, span = (float(value) for value in shape)
    material = bpy.data.materials.new(side)
    shader = Shader(material)
    geometry = shader.add("NewGeometry").outputs

    def local(vector: Any) -> Any:
        """A direction of the world in the eye's own axes."""
        turned = shader.add(
            "VectorTransform", {0: vector}, vector_type="VECTOR", convert_from="WORLD", convert_to="OBJECT"
        )
        return shader.add("VectorMath", {0: turned.outputs[0]}, operation="NORMALIZE").outputs[0]

    toward = shader.add("VectorMath", {0: local(geometry["Incoming"]), "Scale": -1.0}, operation="SCALE").outputs[0]
    refract = {0: toward, 1: local(geometry["Normal"]), "Scale": 1 / index}
    bent = shader.add("VectorMath", refract, operation="REFRACT").outputs[0]
    x, y, z = shader.add("SeparateXYZ", {0: shader.add("TexCoord").outputs["Object"]}).outputs
    bent_x, bent_y, bent_z = shader.add("SeparateXYZ", {0: bent}).outputs
    way = shader.math("DIVIDE", shader.math("SUBTRACT", iris_depth, z), shader.math("MINIMUM", bent_z, -0.05))
    way = shader.math("MINIMUM", shader.math("MAXIMUM", way, 0.0), 1.5)
    iris_x, iris_y = shader.math("MULTIPLY_ADD", way, bent_x, x), shader.math("MULTIPLY_ADD", way, bent_y, y)

    def length(first: Any, second: Any) -> Any:
        return shader.math(
            "SQRT", shader.math("ADD", shader.math("MULTIPLY", first, first), shader.math("MULTIPLY", second, second))
        )

    def mapped(name: str, first: Any, second: Any, along: Any) -> Any:
        """A map that goes once around the pupil, its first row at `along` 0."""
        around = shader.math("DIVIDE", shader.math("ARCTAN2", second, first), 2 * math.pi)
        row = shader.math("SUBTRACT", 1.0, shader.math("MINIMUM", shader.math("MAXIMUM", along, 0.02), 0.98))
        where = shader.add("CombineXYZ", {0: around, 1: row}).outputs[0]
        image = bpy.data.images[f"{side}_{name}"]
        return shader.add("TexImage", {0: where}, image=image, extension="REPEAT").outputs[0]

    scale = shader.add("Value", name="pupil_scale").outputs[0]
    pupil = shader.math("MULTIPLY", scale, pupil_radius)
    along = shader.math(
        "DIVIDE",
        shader.math("SUBTRACT", length(iris_x, iris_y), pupil),
        shader.math("SUBTRACT", iris_radius, pupil),
    )
    iris = mapped("iris", iris_x, iris_y, along)
    iris = shader.mix(shader.between(along, -0.03, 0.02), (0.003, 0.003, 0.003, 1), iris)
    surface_radius = length(x, y)
    turned = shader.math("ARCTAN2", surface_radius, z)
    start = math.asin(iris_radius)
    white = mapped("sclera", x, y, shader.math("DIVIDE", shader.math("SUBTRACT", turned, start), span - start))
    edge = shader.between(turned, start - 0.03, start + 0.024)
    shader.surface(
        base_color=shader.mix(edge, iris, white),
        roughness=0.5,
        specular_ior_level=0.1,
        coat_weight=0.8,
        coat_roughness=0.012,
        coat_ior=1.376,
    )
    return material


def teeth_material() -> Any:
    """Enamel in the colours of its points, which lets some light in, and less of it further back in the mouth."""
    material = bpy.data.materials.new("teeth")
    shader = Shader(material)
    back = shader.add("SeparateXYZ", {"Vector": shader.attribute("rest")}).outputs[2]
    open_to_light = shader.between(back, -0.026, -0.004)
    dark = shader.mix(1.0, shader.attribute("rgb"), (0.25, 0.19, 0.15, 1), "MULTIPLY")
    shader.surface(
        base_color=shader.mix(open_to_light, dark, shader.attribute("rgb")),
        roughness=0.2,
        subsurface_weight=0.5,
        subsurface_radius=(1.0, 0.7, 0.5),
        subsurface_scale=0.001,
        specular_ior_level=shader.math("MULTIPLY", open_to_light, 0.5),
    )
    return material


def wet_material(name: str, roughness: float) -> Any:
    """Flesh under a wet film, in the colours of its points."""
    material = bpy.data.materials.new(name)
    shader = Shader(material)
    shader.surface(
        base_color=shader.attribute("rgb"),
        roughness=roughness,
        subsurface_weight=0.5,
        subsurface_radius=(1.0, 0.3, 0.2),
        subsurface_scale=0.002,
        coat_weight=0.4,
        coat_roughness=0.1,
    )
    return material


def cloth_material(rgb: Any) -> Any:
    """Yarn in two directions, faded here and there."""
    material = bpy.data.materials.new("cloth")
    shader = Shader(material)
    rest = shader.attribute("rest")
    faded = shader.noise(rest, 14.0)
    x, y, z = shader.add("SeparateXYZ", {"Vector": rest}).outputs
    down = shader.math("MULTIPLY", shader.math("SUBTRACT", y, z), YARNS_PER_M * 2 * math.pi)
    across = shader.math("MULTIPLY", x, YARNS_PER_M * 2 * math.pi)
    yarn = shader.math("MULTIPLY", shader.math("SINE", down), shader.math("SINE", across))
    base = shader.mix(shader.between(faded, 0.3, 0.7), colour(rgb, 0.85), colour(rgb, 1.05))
    base = shader.mix(shader.between(yarn, -0.9, 0.9), shader.mix(1.0, base, (0.82, 0.82, 0.82, 1), "MULTIPLY"), base)
    height = shader.math("MULTIPLY_ADD", yarn, 0.00012, shader.math("MULTIPLY", faded, 0.012))
    shader.surface(
        base_color=base,
        roughness=0.9,
        sheen_weight=0.3,
        specular_ior_level=0.2,
        normal=shader.bump(height, strength=0.6),
    )
    return material


def glasses_material(rgb: Any, *, metal: bool) -> Any:
    material = bpy.data.materials.new("glasses")
    if metal:
        Shader(material).surface(base_color=colour(rgb), metallic=1.0, roughness=0.22)
    else:
        Shader(material).surface(base_color=colour(rgb), roughness=0.18, coat_weight=0.6, coat_roughness=0.03)
    return material


def lens_material(reflectance: float) -> Any:
    """Thin glass: it tints what lies behind it, mirrors what lies before it, and bends nothing."""
    material = bpy.data.materials.new("lenses")
    shader = Shader(material)
    passing = shader.add("BsdfTransparent", {"Color": shader.attribute("passing", "Color")}).outputs[0]
    mirror = shader.add("BsdfGlossy", {"Roughness": 0.0}).outputs[0]
    turned_away = shader.math("POWER", shader.add("LayerWeight", {"Blend": 0.5}).outputs["Facing"], 5.0)
    share = shader.math("MULTIPLY_ADD", turned_away, 1 - reflectance, reflectance)
    shader.finish(shader.add("MixShader", {0: share, 1: passing, 2: mirror}).outputs[0])
    return material


def occluder_material(name: str, look: Any) -> Any:
    """Skin, textile, plastic or metal, coloured by its points."""
    roughness, shine, metallic, sheen, subsurface, relief_m, relief_per_m = (float(value) for value in look)
    material = bpy.data.materials.new(name)
    shader = Shader(material)
    height = shader.math("MULTIPLY", shader.noise(shader.attribute("rest"), relief_per_m), relief_m)
    shader.surface(
        base_color=shader.attribute("rgb"),
        roughness=roughness,
        # Blender's 0.5 reflects 0.04 head-on.
        specular_ior_level=min(1.0, shine / 0.08),
        metallic=metallic,
        sheen_weight=sheen,
        subsurface_weight=subsurface,
        subsurface_radius=(1.0, 0.35, 0.18),
        subsurface_scale=0.004,
        normal=shader.bump(height),
    )
    return material


def hair_material(name: str) -> Any:
    """Fibres with a white and a coloured highlight, through which light shines; darker at their roots."""
    material = bpy.data.materials.new(name)
    shader = Shader(material)
    own = shader.attribute("fibre_rgb", "Color")
    info = shader.add("HairInfo").outputs
    lighter = shader.math("MULTIPLY_ADD", info["Intercept"], 0.6, 0.7)
    base = shader.mix(1.0, own, shader.add("CombineColor", {0: lighter, 1: lighter, 2: lighter}).outputs[0], "MULTIPLY")
    inputs = {"Color": base, "Roughness": 0.3, "Radial Roughness": 0.35, "Random Roughness": 0.2}
    fibre = shader.add("BsdfHairPrincipled", inputs, model="CHIANG", parametrization="COLOR")
    # With few bounces light would be lost between fibres that pass it on from one to the next.
    matt = shader.add("BsdfDiffuse", {"Color": base}).outputs[0]
    shader.finish(shader.add("MixShader", {0: 0.4, 1: fibre.outputs[0], 2: matt}).outputs[0])
    return material


def render(command: Arrays) -> float:
    """Draw one frame, and return the CPU-seconds it took."""
    began = time.process_time()
    scene = bpy.context.scene
    with np.load(command["frame"]) as posed:
        place(posed)
    aim(command["camera"])
    light_up(command["light"], np.asarray(command["camera"]["look_at"], np.float64))
    bpy.data.meshes["skin"].materials[0] = bpy.data.materials["fine skin" if command["size"] >= FINE_SIZE else "skin"]
    scene.render.resolution_x = scene.render.resolution_y = command["size"]
    scene.cycles.samples = command["samples"]
    scene.cycles.seed = command["seed"]
    output = Path(command["output"])
    part = output.with_name(f"{output.name}.part")
    scene.render.filepath = str(part)
    bpy.ops.render.render(write_still=True)
    part.replace(output)
    return time.process_time() - began


def answer(command: Arrays) -> dict[str, Any]:
    """Carry out one command."""
    if "figure" in command:
        began = time.process_time()
        with np.load(command["figure"]) as figure:
            build(figure)
        return {"done": command["figure"], "cpu_s": round(time.process_time() - began, 3)}
    return {"done": command["output"], "cpu_s": round(render(command), 3)}


def main() -> None:
    """Carry out commands until standard input ends."""
    start(NUM_THREADS)
    if CORES:
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), CORES)
    print(json.dumps({"ready": bpy.app.version_string}), file=REPLIES, flush=True)
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=REPLIES, flush=True)


if __name__ == "__main__":
    main()
