"""Shows what Dear ImGui has drawn, through moderngl.

Own code rather than the bundle's PyOpenGL renderer: it needs no second OpenGL binding, saves and
restores no global state, and works on any framebuffer.
"""

from __future__ import annotations

import ctypes

import moderngl
import numpy as np
from imgui_bundle import imgui

from explorer.render.programs import blend_over, load_program, set_uniforms
from explorer.render.targets import size_of


class ImguiRenderer:
    """Owns the font atlas and the buffers of one ImGui context."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self.ctx = ctx
        self._program = load_program(ctx, "imgui")
        self._textures: dict[int, moderngl.Texture] = {}
        self._sizes = 0, 0
        self._grow(1 << 16, 1 << 15)
        imgui.get_io().backend_flags |= imgui.BackendFlags_.renderer_has_textures
        limit = ctx.info["GL_MAX_TEXTURE_SIZE"]
        imgui.get_platform_io().renderer_texture_max_width = limit
        imgui.get_platform_io().renderer_texture_max_height = limit

    def draw(self, target: moderngl.Framebuffer, data: imgui.ImDrawData) -> None:
        """Draws over whatever the target holds, whose alpha stays as it is."""
        for texture in imgui.get_platform_io().textures:
            if texture.status != imgui.ImTextureStatus.ok:
                self._update(texture)
        target.use()
        blend_over(self.ctx)
        set_uniforms(self._program, target_px=tuple(data.display_size))
        for commands in data.cmd_lists:
            self._draw_list(target, commands)
        target.scissor = None  # type: ignore[assignment]  # None takes the limit away
        target.use()

    def show(self, texture: moderngl.Texture) -> imgui.ImTextureRef:
        """A name under which ImGui can draw a texture that somebody else owns, in this frame."""
        self._textures[texture.glo] = texture
        return imgui.ImTextureRef(texture.glo)

    def _draw_list(self, target: moderngl.Framebuffer, commands: imgui.ImDrawList) -> None:
        vertices = _bytes_of(commands.vtx_buffer, imgui.VERTEX_SIZE)
        indices = _bytes_of(commands.idx_buffer, imgui.INDEX_SIZE)
        self._grow(len(vertices), len(indices))
        self._vertices.orphan()
        self._vertices.write(vertices)
        self._indices.orphan()
        self._indices.write(indices)
        for command in commands.cmd_buffer:
            x, y, right, bottom = (int(v) for v in command.clip_rect)
            if right <= x or bottom <= y:
                continue
            target.scissor = x, size_of(target)[1] - bottom, right - x, bottom - y
            self._textures[command.tex_ref.get_tex_id()].use(0)
            self._array.render(
                moderngl.TRIANGLES, vertices=command.elem_count, first=command.idx_offset
            )

    def _grow(self, vertex_bytes: int, index_bytes: int) -> None:
        if vertex_bytes <= self._sizes[0] and index_bytes <= self._sizes[1]:
            return
        self._sizes = max(self._sizes[0], 2 * vertex_bytes), max(self._sizes[1], 2 * index_bytes)
        self._vertices = self.ctx.buffer(reserve=self._sizes[0])
        self._indices = self.ctx.buffer(reserve=self._sizes[1])
        self._array = self.ctx.vertex_array(
            self._program,
            [(self._vertices, "2f 2f 4f1", "in_at_px", "in_uv", "in_color")],
            index_buffer=self._indices,
            index_element_size=imgui.INDEX_SIZE,
        )

    def _update(self, texture: imgui.ImTextureData) -> None:
        """ImGui asks for its glyphs to be created, renewed or dropped."""
        status = imgui.ImTextureStatus
        if texture.status == status.want_destroy:
            self._textures.pop(texture.get_tex_id()).release()
            texture.set_tex_id(0)
            texture.status = status.destroyed
            return
        pixels = np.asarray(texture.get_pixels_array(), np.uint8)
        if texture.status == status.want_create:
            made = self.ctx.texture((texture.width, texture.height), 4, pixels.tobytes())
            self._textures[made.glo] = made
            texture.set_tex_id(made.glo)
        else:
            rows = pixels.reshape(texture.height, texture.width, 4)
            for r in texture.updates:
                part = np.ascontiguousarray(rows[r.y : r.y + r.h, r.x : r.x + r.w])
                self._textures[texture.get_tex_id()].write(part, viewport=(r.x, r.y, r.w, r.h))
        texture.status = status.ok


def _bytes_of(vector: imgui.ImVector_ImDrawVert | imgui.ImVector_ImDrawIdx, item: int) -> bytes:
    size = vector.size() * item
    return ctypes.string_at(vector.data_address(), size) if size else b""
