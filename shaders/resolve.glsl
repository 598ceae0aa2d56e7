// Turns keyframes laid over one another by weight into a picture with a known mask.

#include "screen.glsl"

#if defined FRAGMENT_SHADER
uniform sampler2D layers;  // premultiplied by weight
out vec4 out_color;  // premultiplied by known, 0..1

void main() {
    vec4 color = texelFetch(layers, ivec2(gl_FragCoord.xy), 0);
    float known = min(color.a * 10.0, 1.0);
    out_color = vec4(color.rgb / max(color.a, 1e-3) * known, known);
}
#endif
