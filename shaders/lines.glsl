// Lines and filled shapes in pixels of the target, with smooth edges.

#if defined VERTEX_SHADER
uniform vec2 target_px;
in vec3 in_vertex;  // x, y from the upper left; signed distance from the middle of the line
out float aside_px;

void main() {
    aside_px = in_vertex.z;
    gl_Position = vec4(in_vertex.xy / target_px * vec2(2.0, -2.0) + vec2(-1.0, 1.0), 0.0, 1.0);
}
#endif

#if defined FRAGMENT_SHADER
uniform vec4 color;
uniform float half_width_px;
in float aside_px;
out vec4 out_color;

void main() {
    out_color = vec4(color.rgb, color.a * clamp(half_width_px + 0.5 - abs(aside_px), 0.0, 1.0));
}
#endif
