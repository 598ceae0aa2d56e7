// Points of memory as round sprites. The same file serves every view, the map from above included.

#if defined VERTEX_SHADER
uniform mat4 world_to_clip;
uniform vec3 walker_world;
uniform float dome_m;  // where points at infinity are drawn, around the walker; 0 leaves them out
uniform float cut_y;  // world y above which (smaller) nothing is drawn: takes the ceiling away
uniform float near_m;  // nothing nearer is drawn
uniform float shown;  // segment, or more than any of them: as memory is now
uniform float newest;  // segment
uniform float pixels_per_unit;  // focal length in pixels; pixels per metre on the map
uniform float size;  // factor
uniform vec2 size_px;  // least and largest sprite
uniform float size_m;  // of every surface; 0: its footprint
uniform int mode;
uniform bool height;
uniform bool log_scale;
uniform vec2 value_range;  // with the first and the last colour; logarithms where log_scale
uniform sampler2D colormaps;
uniform int colormap;  // row
uniform float age_fade;  // 0..1, how much old points dim
uniform float hidden;  // 0..1, how strong hidden points are
uniform vec3 background;
uniform vec4 accent;  // of selected points; alpha 0 leaves them as they are

in vec4 in_point;  // homogeneous, w 0 is sky
in vec4 in_color;  // rgb, flags
in vec4 in_tint;  // rgb of the features, 1 where selected
in vec4 in_facts;  // born, died, footprint in metres (radians where w is 0), times seen
flat out vec3 color;
flat out float across_px;

const float ENDLESS = 1e30;

vec3 mapped(bool sky) {
    float value = mode == BIRTH ? in_facts.x : mode == FOOTPRINT ? in_facts.z : in_facts.w;
    if (mode == DEPTH) value = height ? -in_point.y : distance(in_point.xyz, walker_world);
    if (sky && (mode == DEPTH || mode == FOOTPRINT)) value = ENDLESS;
    if (log_scale) value = log2(max(value, 1e-9));
    float t = (value - value_range.x) / max(value_range.y - value_range.x, 1e-6);
    return texelFetch(colormaps, ivec2(int(clamp(t, 0.0, 1.0) * 255.0 + 0.5), colormap), 0).rgb;
}

void main() {
    bool sky = in_point.w < 0.5;
    bool veiled = (int(in_color.a * 255.0 + 0.5) & HIDDEN) != 0;
    vec3 at_world = sky ? walker_world + normalize(in_point.xyz) * dome_m : in_point.xyz / in_point.w;
    gl_Position = world_to_clip * vec4(at_world, 1.0);
    float depth_m = gl_Position.w;
    bool there = in_facts.x <= shown && in_facts.y > shown && at_world.y >= cut_y;
    there = there && depth_m >= near_m && !(sky && dome_m == 0.0) && !(veiled && hidden == 0.0);
    if (!there) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
    float across_m = sky ? 1.3 * in_facts.z * dome_m : size_m > 0.0 ? size_m : 1.3 * in_facts.z;
    across_px = clamp(size * across_m * pixels_per_unit / max(depth_m, 0.01), size_px.x, size_px.y);
    color = mode == COLOUR ? in_color.rgb : mode == FEATURES ? in_tint.rgb : mapped(sky);
    float fade = age_fade * (1.0 - exp((in_facts.x - newest) / 24.0));
    color = mix(color, background, veiled ? 1.0 - (1.0 - fade) * hidden : fade);
    if (in_tint.a > 0.5 && accent.a > 0.0) {
        color = accent.rgb;
        across_px = across_px * 1.15 + 1.0;
    }
    gl_PointSize = across_px;
}
#endif

#if defined FRAGMENT_SHADER
flat in vec3 color;
flat in float across_px;
out vec4 out_color;

void main() {
    vec2 from_centre = gl_PointCoord * 2.0 - 1.0;
    if (across_px > 3.0 && dot(from_centre, from_centre) > 1.1) discard;
    out_color = vec4(color, 1.0);
}
#endif
