// The scene with calm fog where nothing is known, at the scene's own resolution.
//
// Fog takes its colour from the known surroundings, far too blurred to pretend a shape.

#include "screen.glsl"

#if defined FRAGMENT_SHADER
uniform sampler2D scene;  // premultiplied by known, with mip levels
uniform vec3 mean_color;  // of everything known
uniform float last_level;  // the smallest mip level of the scene
uniform int style;  // 0 mist, 1 night
in vec2 uv;
out vec4 out_color;  // alpha is the known mask

vec3 mist(vec3 nearby, float height) {
    vec3 air = mix(mean_color, nearby, 0.5);
    air = mix(air, vec3(dot(air, vec3(0.3, 0.6, 0.1))), 0.4);
    return mix(air * 0.78 + 0.05, air * 0.86 + 0.12, smoothstep(0.0, 1.0, height));
}

vec3 night(vec3 nearby, float height) {
    vec3 air = mix(vec3(0.055, 0.062, 0.075), vec3(0.115, 0.128, 0.150), height);
    return air + nearby * 0.06;
}

void main() {
    vec4 far_blur = textureLod(scene, uv, last_level) + vec4(mean_color, 1.0) * 0.3;
    vec3 nearby = far_blur.rgb / far_blur.a;
    vec3 fog = style == 0 ? mist(nearby, uv.y) : night(nearby, uv.y);

    // Gaps too thin for the blur to notice are closed by it; wider ones have a soft border.
    vec4 near_blur = textureLod(scene, uv, 2.0);
    float wide = textureLod(scene, uv, 3.0).a;
    vec4 color = texelFetch(scene, ivec2(gl_FragCoord.xy), 0);
    float known = smoothstep(0.40, 0.75, near_blur.a) * smoothstep(0.40, 0.85, wide);
    vec3 surface = color.rgb + near_blur.rgb / max(near_blur.a, 1e-3) * (1.0 - color.a);
    out_color = vec4(mix(fog, surface, known), known);
}
#endif
