// The state of memory in each latent cell of the picture, as a thin colour over it.

#include "screen.glsl"

#if defined FRAGMENT_SHADER
uniform usampler2D states;
uniform mat3 px_to_cell;  // homogeneous; pixels from the upper left
uniform float rows_px;
uniform vec4 colors[3];  // by state
uniform float border;  // opacity that the edges of cells have more
out vec4 out_color;

void main() {
    vec3 turned = px_to_cell * vec3(gl_FragCoord.x, rows_px - gl_FragCoord.y, 1.0);
    vec2 cell = turned.xy / turned.z;
    vec2 to_edge_px = min(fract(cell), 1.0 - fract(cell)) / fwidth(cell);
    ivec2 at = ivec2(floor(cell)), size = textureSize(states, 0);
    bool outside = any(lessThan(at, ivec2(0))) || any(greaterThanEqual(at, size));
    if (turned.z <= 0.0 || outside) discard;
    vec4 color = colors[texelFetch(states, at, 0).r];
    float on_edge = clamp(1.0 - min(to_edge_px.x, to_edge_px.y), 0.0, 1.0);
    out_color = vec4(color.rgb, color.a + border * on_edge);
}
#endif
