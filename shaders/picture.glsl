// A picture in a rectangle with round corners and a thin rim.

#if defined VERTEX_SHADER
uniform vec2 target_px;
uniform vec4 rect_px;  // x, y of the upper left corner, width, height
out vec2 at_px;  // from the upper left corner of the rectangle

void main() {
    vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    at_px = corner * rect_px.zw;
    vec2 screen = (rect_px.xy + at_px) / target_px;
    gl_Position = vec4(screen * vec2(2.0, -2.0) + vec2(-1.0, 1.0), 0.0, 1.0);
}
#endif

#if defined FRAGMENT_SHADER
uniform sampler2D picture;
uniform vec4 rect_px;
uniform float radius_px;
uniform float opacity;
uniform vec4 rim;
in vec2 at_px;
out vec4 out_color;

void main() {
    vec2 from_middle = abs(at_px - rect_px.zw * 0.5) - rect_px.zw * 0.5 + radius_px;
    float outside = length(max(from_middle, 0.0)) + min(max(from_middle.x, from_middle.y), 0.0);
    outside -= radius_px;
    vec2 uv = at_px / rect_px.zw;
    vec3 color = texture(picture, vec2(uv.x, 1.0 - uv.y)).rgb;
    float on_rim = clamp(outside + 2.0, 0.0, 1.0) * rim.a;
    out_color = vec4(mix(color, rim.rgb, on_rim), opacity * clamp(0.5 - outside, 0.0, 1.0));
}
#endif
