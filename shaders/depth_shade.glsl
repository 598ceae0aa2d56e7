// A drawn cloud over its background, darker before edges in depth (eye-dome lighting, Boucheny).

#include "screen.glsl"

#if defined FRAGMENT_SHADER
uniform sampler2D picture;
uniform sampler2D depths;  // 1 where nothing was drawn; 1 - depth goes with 1 / distance
uniform vec3 top, bottom;  // of the background
uniform int reach_px;
uniform float strength;
uniform bool over;  // whether the target keeps what it holds where nothing was drawn
in vec2 uv;
out vec4 out_color;

const ivec2 ASIDE[4] = ivec2[](ivec2(1, 1), ivec2(-1, 1), ivec2(1, -1), ivec2(-1, -1));

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy), last = textureSize(depths, 0) - 1;
    float depth = texelFetch(depths, at, 0).r;
    gl_FragDepth = depth;
    if (depth == 1.0) {
        if (over) discard;
        out_color = vec4(mix(bottom, top, uv.y), 1.0);
        return;
    }
    float nearer = 0.0;  // how much the surroundings are, as a share of the distance
    for (int i = 0; i < 4; i++) {
        float beside = texelFetch(depths, clamp(at + ASIDE[i] * reach_px, ivec2(0), last), 0).r;
        nearer += clamp(1.0 - (1.0 - depth) / max(1.0 - beside, 1e-9), 0.0, 0.02);
    }
    float shade = mix(1.0, 0.42 + 0.58 * exp(-nearer * 19.0), strength);
    out_color = vec4(texelFetch(picture, at, 0).rgb * shade, 1.0);
}
#endif
