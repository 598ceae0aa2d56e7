// A keyframe's depth mesh, seen from another camera.
//
// Vertices are (x px, y px, inverse depth, whole) of the keyframe. (x, y, 1, inverse depth) is a
// homogeneous point, so one matrix takes it to clip space, and sky (0) turns but never nears.

#if defined VERTEX_SHADER
uniform mat4 pixel_to_clip;
in vec4 in_vertex;
out vec3 at_px;

void main() {
    at_px = in_vertex.xyw;
    gl_Position = pixel_to_clip * vec4(in_vertex.xy, 1.0, in_vertex.z);
}
#endif

#if defined FRAGMENT_SHADER
#if defined DEPTH_ONLY
void main() {}
#else
uniform sampler2D picture;
uniform vec2 size_px;
uniform float opacity;
uniform float texels_per_pixel;  // area ratio when seen from the keyframe's own camera
in vec3 at_px;
out vec4 out_color;  // premultiplied

void main() {
    vec2 here = at_px.xy;
    float whole = at_px.z;
    vec2 to_border = min(here, size_px - here);
    float inside = clamp(min(min(to_border.x, to_border.y) / 12.0, whole), 0.15, 1.0);
    // Few texels for many pixels: seen from afar or at a slant, another keyframe may know better.
    vec2 dx = dFdx(here), dy = dFdy(here);
    float detail = abs(dx.x * dy.y - dx.y * dy.x) / texels_per_pixel;
    float weight = opacity * inside * clamp(detail * 4.0, 0.15, 1.0);
    // At a torn edge only the own texel counts: the next one shows the other surface.
    vec2 sample_px = mix(floor(here) + 0.5, here, whole);
    out_color = vec4(texture(picture, sample_px / size_px).rgb * weight, weight);
}
#endif
#endif
