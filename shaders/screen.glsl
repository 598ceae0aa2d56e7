// The vertex stage of all that covers a whole target: one triangle, made without data.

#if defined VERTEX_SHADER
out vec2 uv;  // 0..1 from the lower left

void main() {
    uv = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
    gl_Position = vec4(uv * 2.0 - 1.0, 0.0, 1.0);
}
#endif
