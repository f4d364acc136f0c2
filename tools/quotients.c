/* That `quotient` in keras_inits/streams/default/_kernels.cu is a / b rounded to nearest.

       cc -O2 -mfma -ffp-contract=off tools/quotients.c -lm -o quotients && ./quotients

   For each pole of the normal quantile, every b = pole - v that can occur, and every approximation of
   1 / b that lies within one unit in the last place, as NVIDIA promises of `rcp.approx`: the steps of
   `quotient` are compared with the division of the processor. Prints how many differ; exits 1 if any. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* residue, pole, and the range of v: x^2 for the centre, (1 - |x|)^(1/8) for the tail. */
static const struct {
    float residue, pole, least, most;
} TERMS[] = {
    /* INNER32, |x| <= 0.9546 and a margin */
    {0x1.2f245ap+1f, 0x1.24b5d8p+2f, 0, 0.92f},
    {0x1.6635dep-2f, 0x1.9c0f60p+0f, 0, 0.92f},
    {0x1.4e24d8p-4f, 0x1.23e4f6p+0f, 0, 0.92f},
    {0x1.244694p-6f, 0x1.054a46p+0f, 0, 0.92f},
    /* CENTRE32 */
    {0x1.37fd48p+1f, 0x1.30f6f0p+2f, 0, 1},
    {0x1.74cc18p-2f, 0x1.ab6b0ep+0f, 0, 1},
    {0x1.67a08ep-4f, 0x1.2d2d2ep+0f, 0, 1},
    {0x1.7f6ee8p-6f, 0x1.0b8c1ep+0f, 0, 1},
    {0x1.603a9cp-8f, 0x1.01bd82p+0f, 0, 1},
    /* TAIL32, 2^-32 <= 1 - |x| <= 0.015 and a margin */
    {-0x1.358a56p-1f, 0x1.5478fcp+0f, 0.0625f, 0.61f},
    {-0x1.2cb026p+0f, -0x1.d2401cp-2f, 0.0625f, 0.61f},
    {-0x1.58390cp-3f, -0x1.7b989ep-4f, 0.0625f, 0.61f},
    {-0x1.0e96fcp-5f, -0x1.b9b2e8p-7f, 0.0625f, 0.61f},
};

static float quotient(float a, float b, float r)
{
    r = fmaf(fmaf(-b, r, 1.0f), r, r);
    float q = a * r;
    return fmaf(fmaf(-b, q, a), r, q);
}

int main(void)
{
    long wrong = 0, tried = 0;
    for (unsigned i = 0; i < sizeof TERMS / sizeof *TERMS; i++) {
        float first = TERMS[i].pole - TERMS[i].most, last = TERMS[i].pole - TERMS[i].least;
        float from = last < 0 ? last : first, to = last < 0 ? first : last;
        for (float b = from; fabsf(b) <= fabsf(to); b = nextafterf(b, to < 0 ? -INFINITY : INFINITY)) {
            double exact = 1.0 / b;
            float near = (float)exact;
            for (int step = -1; step <= 1; step++) {
                float r = step ? nextafterf(near, step * INFINITY) : near;
                if (fabs(r - exact) > fabsf(nextafterf(near, INFINITY) - near))
                    continue;
                tried++;
                wrong += quotient(TERMS[i].residue, b, r) != TERMS[i].residue / b;
            }
        }
    }
    printf("%ld quotients, %ld wrong\n", tried, wrong);
    return wrong != 0;
}
