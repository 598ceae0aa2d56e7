// Points of memory as round sprites. The same file serves every view, the map from above included.

#if defined VERTEX_SHADER
uniform mat4 world_to_clip;
uniform vec3 walker_world;
uniform float dome_m;  // where points at infinity are drawn, around the walker
uniform float cut_y;  // world y above which (smaller) nothing is drawn: takes the ceiling away
uniform float pixels_per_unit;  // focal length in pixels; pixels per metre on the map
uniform vec2 size_px;  // least and largest sprite
uniform int mode;  // 0 colour, 1 birth segment, 2 footprint
uniform float newest;  // segment
uniform float age_fade;  // 0..1, how much old points dim
uniform vec3 background;

in vec4 in_point;  // homogeneous, w 0 is sky
in vec4 in_color;
in vec2 in_facts;  // birth segment, footprint in metres (radians where w is 0)
out vec3 color;

vec3 palette(float t) {
    // From deep blue over teal and sand to coral: even in lightness, kind to colour-blind eyes.
    vec3 a = vec3(0.23, 0.33, 0.62), b = vec3(0.20, 0.62, 0.62);
    vec3 c = vec3(0.93, 0.80, 0.47), d = vec3(0.93, 0.45, 0.33);
    t = clamp(t, 0.0, 1.0) * 3.0;
    return t < 1.0 ? mix(a, b, t) : t < 2.0 ? mix(b, c, t - 1.0) : mix(c, d, t - 2.0);
}

void main() {
    bool sky = in_point.w < 0.5;
    vec3 at_world = sky ? walker_world + normalize(in_point.xyz) * dome_m : in_point.xyz / in_point.w;
    gl_Position = world_to_clip * vec4(at_world, 1.0);
    if (at_world.y < cut_y) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
    float footprint = sky ? in_facts.y * dome_m : in_facts.y;
    float across = footprint * pixels_per_unit / max(gl_Position.w, 0.01);
    gl_PointSize = clamp(1.3 * across, size_px.x, size_px.y);
    color = in_color.rgb;
    if (mode == 1) color = palette(in_facts.x / max(newest, 1.0));
    if (mode == 2) color = palette(log2(max(footprint, 1e-4) / 0.005) / 6.0);
    float age = newest - in_facts.x;
    color = mix(color, background, age_fade * (1.0 - exp(-age / 24.0)));
}
#endif

#if defined FRAGMENT_SHADER
in vec3 color;
out vec4 out_color;

void main() {
    vec2 from_centre = gl_PointCoord * 2.0 - 1.0;
    if (dot(from_centre, from_centre) > 1.1) discard;
    out_color = vec4(color, 1.0);
}
#endif
