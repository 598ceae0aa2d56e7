// A small picture over the whole target, with grain on the fog so that it shows no bands.

#include "common.glsl"

#if defined VERTEX_SHADER
out vec2 uv;

void main() {
    uv = screen_corner();
    gl_Position = vec4(uv * 2.0 - 1.0, 0.0, 1.0);
}
#endif

#if defined FRAGMENT_SHADER
uniform sampler2D picture;  // alpha is the known mask
uniform vec2 drift_px;
uniform float strength;
in vec2 uv;
out vec4 out_color;

void main() {
    vec4 color = texture(picture, uv);
    float noise = (grain(gl_FragCoord.xy + drift_px) - 0.5) * strength * (1.0 - color.a);
    out_color = vec4(color.rgb + noise, color.a);
}
#endif
