// A picture that stands in space: a rectangle with its corners anywhere.

#if defined VERTEX_SHADER
uniform mat4 world_to_clip;
uniform vec3 corners_world[4];  // upper left, upper right, lower left, lower right
out vec2 uv;  // from the upper left

void main() {
    uv = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    gl_Position = world_to_clip * vec4(corners_world[gl_VertexID], 1.0);
}
#endif

#if defined FRAGMENT_SHADER
uniform sampler2D picture;
uniform bool lower_row_first;
uniform float opacity;
in vec2 uv;
out vec4 out_color;

void main() {
    vec2 at = vec2(uv.x, lower_row_first ? 1.0 - uv.y : uv.y);
    out_color = vec4(texture(picture, at).rgb, opacity);
}
#endif
