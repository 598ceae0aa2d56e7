"""Shader file to program. One file per pass in `shaders/`, both stages inside.

A file guards its stages with `#if defined VERTEX_SHADER` and `#if defined FRAGMENT_SHADER`; parts
that several passes share are included by name (`#include "screen.glsl"`).
"""

from __future__ import annotations

from pathlib import Path

import moderngl

SHADER_DIR = Path(__file__).parents[2] / "shaders"


def load_program(ctx: moderngl.Context, name: str, *defines: str) -> moderngl.Program:
    """The program in `shaders/NAME.glsl`, with extra `defines` set for both stages."""
    for path in SHADER_DIR.glob("*.glsl"):
        ctx.includes.setdefault(path.name, path.read_text("utf-8"))
    source = ctx.includes[f"{name}.glsl"]
    stages = {}
    for stage in ("VERTEX_SHADER", "FRAGMENT_SHADER"):
        lines = "".join(f"#define {define}\n" for define in (stage, *defines))
        stages[stage.lower()] = f"#version 330 core\n{lines}{source}"
    return ctx.program(**stages)


def set_uniforms(program: moderngl.Program, **values: object) -> None:
    """Sets uniforms by name; those that the compiler found unused are left out."""
    for name, value in values.items():
        member = program.get(name, None)
        if isinstance(member, moderngl.Uniform):
            member.value = value


def blend_over(ctx: moderngl.Context) -> None:
    """Usual transparency, except that the target's alpha keeps what it says about the picture."""
    ctx.enable_only(moderngl.BLEND)
    over = moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA, moderngl.ZERO, moderngl.ONE
    ctx.blend_func = over  # type: ignore[assignment]  # four are taken, the stubs know two


def draw_screen(ctx: moderngl.Context, program: moderngl.Program) -> moderngl.VertexArray:
    """Three vertices without data; the shader makes one triangle over the whole target of them."""
    return ctx.vertex_array(program, [])
