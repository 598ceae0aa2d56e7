// Dear ImGui's triangles: text, rounded boxes, bars.

#if defined VERTEX_SHADER
uniform vec2 target_px;
in vec2 in_at_px;  // from the upper left
in vec2 in_uv;
in vec4 in_color;
out vec2 uv;
out vec4 color;

void main() {
    uv = in_uv;
    color = in_color;
    gl_Position = vec4(in_at_px / target_px * vec2(2.0, -2.0) + vec2(-1.0, 1.0), 0.0, 1.0);
}
#endif

#if defined FRAGMENT_SHADER
uniform sampler2D atlas;
in vec2 uv;
in vec4 color;
out vec4 out_color;

void main() {
    out_color = color * texture(atlas, uv);
}
#endif
