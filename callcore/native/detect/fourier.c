/* The power spectrum of a window: one real transform that tones and spectral features share.
 *
 * 512 real samples as 256 complex ones, by four Stockham passes of radix 4 (self-sorting: no bit
 * reversal, and from the second pass on neighbours in memory are neighbours in the loop).
 */
#include "detectors.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { HALF = SPECTRUM_WINDOW / 2 };

static struct {
    float hann[SPECTRUM_WINDOW];
    float cosine[SPECTRUM_WINDOW], sine[SPECTRUM_WINDOW]; /* of -2 pi k / SPECTRUM_WINDOW */
    float scale;
} table;
static pthread_once_t table_made = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    double energy = 0;
    for (int n = 0; n < SPECTRUM_WINDOW; n++) {
        const double angle = 2 * 3.14159265358979 * n / SPECTRUM_WINDOW;
        const double weight = 0.5 - 0.5 * cos(angle);
        energy += weight * weight;
        table.hann[n] = (float)weight;
        table.cosine[n] = (float)cos(angle);
        table.sine[n] = (float)-sin(angle);
    }
    table.scale = (float)(2 / (SPECTRUM_WINDOW * energy));
}

struct plane {
    float re[HALF], im[HALF];
};

/* One pass: `size` shrinks from 256 to 4, `stride` grows from 1 to 64. */
static void pass(const struct plane *restrict x, struct plane *restrict y, int size, int stride)
{
    const int quarter = size / 4;
    for (int p = 0; p < quarter; p++) {
        const int turn = p * (SPECTRUM_WINDOW / size);
        const float c1 = table.cosine[turn], s1 = table.sine[turn];
        const float c2 = table.cosine[2 * turn], s2 = table.sine[2 * turn];
        const float c3 = table.cosine[3 * turn], s3 = table.sine[3 * turn];
        const int from = stride * p, to = 4 * stride * p, far = stride * quarter;
        for (int q = 0; q < stride; q++) {
            const int a = from + q, b = a + far, c = b + far, d = c + far, at = to + q;
            const float sum_re = x->re[a] + x->re[c], sum_im = x->im[a] + x->im[c];
            const float dif_re = x->re[a] - x->re[c], dif_im = x->im[a] - x->im[c];
            const float two_re = x->re[b] + x->re[d], two_im = x->im[b] + x->im[d];
            const float rot_re = x->im[b] - x->im[d], rot_im = x->re[d] - x->re[b];
            const float u_re = dif_re + rot_re, u_im = dif_im + rot_im;
            const float v_re = sum_re - two_re, v_im = sum_im - two_im;
            const float w_re = dif_re - rot_re, w_im = dif_im - rot_im;
            y->re[at] = sum_re + two_re;
            y->im[at] = sum_im + two_im;
            y->re[at + stride] = u_re * c1 - u_im * s1;
            y->im[at + stride] = u_re * s1 + u_im * c1;
            y->re[at + 2 * stride] = v_re * c2 - v_im * s2;
            y->im[at + 2 * stride] = v_re * s2 + v_im * c2;
            y->re[at + 3 * stride] = w_re * c3 - w_im * s3;
            y->im[at + 3 * stride] = w_re * s3 + w_im * c3;
        }
    }
}

void power_spectrum(const int16_t *samples, float *power)
{
    struct plane one, two;
    pthread_once(&table_made, make_table);
    for (int n = 0; n < HALF; n++) {
        one.re[n] = (float)samples[2 * n] * table.hann[2 * n];
        one.im[n] = (float)samples[2 * n + 1] * table.hann[2 * n + 1];
    }
    pass(&one, &two, 256, 1);
    pass(&two, &one, 64, 4);
    pass(&one, &two, 16, 16);
    pass(&two, &one, 4, 64);
    for (int k = 0; k <= HALF; k++) {
        const int i = k % HALF, j = (HALF - k) % HALF;
        const float even_re = one.re[i] + one.re[j], even_im = one.im[i] - one.im[j];
        const float odd_re = one.im[i] + one.im[j], odd_im = one.re[j] - one.re[i];
        const float re = even_re + odd_re * table.cosine[k] - odd_im * table.sine[k];
        const float im = even_im + odd_re * table.sine[k] + odd_im * table.cosine[k];
        power[k] = (re * re + im * im) * 0.25F * table.scale;
    }
    power[0] *= 0.5F;
    power[HALF] *= 0.5F;
}
