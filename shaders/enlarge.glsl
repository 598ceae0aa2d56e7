// A small picture over the whole target, with grain on the fog so that it shows no bands.

#include "screen.glsl"

#if defined FRAGMENT_SHADER
uniform sampler2D picture;  // alpha is the known mask
uniform vec2 drift_px;
uniform float strength;
in vec2 uv;
out vec4 out_color;

// 0..1, without visible order; from "next generation post processing in Call of Duty" (Jimenez).
float grain(vec2 pixel) {
    return fract(52.9829189 * fract(dot(pixel, vec2(0.06711056, 0.00583715))));
}

void main() {
    vec4 color = texture(picture, uv);
    float noise = (grain(gl_FragCoord.xy + drift_px) - 0.5) * strength * (1.0 - color.a);
    out_color = vec4(color.rgb + noise, color.a);
}
#endif
