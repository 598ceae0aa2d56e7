// What several passes share: the screen triangle, noise against banding, and small helpers.

#if defined VERTEX_SHADER
// Three vertices cover the target; `uv` runs 0..1 from the lower left.
vec2 screen_corner() {
    return vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
}
#endif

// 0..1, without visible order; from "next generation post processing in Call of Duty" (Jimenez).
float grain(vec2 pixel) {
    return fract(52.9829189 * fract(dot(pixel, vec2(0.06711056, 0.00583715))));
}
