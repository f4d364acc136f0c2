/* The float32 laws of kernels.py in one pass over the bits, and the rounding of narrow.py: the same
   IEEE operations in the same order, so the same numbers, several times as fast. Built where there is
   a compiler; without it NumPy does the work. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__) || FLT_EVAL_METHOD != 0
#error "floating-point operations would not be rounded one by one"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the words are little-endian"
#endif

/* AVX-512 has products of 64 bits, and masks. */
#if defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__) && defined(__x86_64__) && \
    defined(__GLIBC__)
#define WIDEST __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#elif defined(__GNUC__) && defined(__x86_64__) && defined(__GLIBC__)
#define WIDEST __attribute__((target_clones("avx2", "default")))
#else
#define WIDEST
#endif

enum { BLOCK = 1024, POLES = 8 };

/* constant + slope v + sum of residue / (pole - v) */
typedef struct {
    int poles;
    float constant, slope, residue[POLES], pole[POLES];
} form;

/* A shift or mean of -0 changes no number: there is none. */
typedef struct {
    float step, shift, edge, mean, stddev, low, high;
    form centre, tail;
} law;

/* Each step is a loop over a short block in cache, which compilers turn into vector instructions. */
static inline void sum_of_poles(int n, const float *v, float *z, const form *f)
{
    for (int j = 0; j < n; j++)
        z[j] = f->residue[0] / (f->pole[0] - v[j]);
    for (int i = 1; i < f->poles; i++)
        for (int j = 0; j < n; j++)
            z[j] += f->residue[i] / (f->pole[i] - v[j]);
    for (int j = 0; j < n; j++)
        z[j] += f->constant;
}

WIDEST static void normal(int n, const int32_t *k, float *z, const law *p)
{
    float x[BLOCK], y[BLOCK], far[BLOCK];
    int rest[BLOCK], m = 0;
    for (int j = 0; j < n; j++)
        x[j] = (float)k[j] * p->step + p->shift;
    for (int j = 0; j < n; j++)
        y[j] = x[j] * x[j];
    sum_of_poles(n, y, z, &p->centre);
    for (int j = 0; j < n; j++)
        z[j] *= x[j];
    if (p->edge < 1)
        for (int j = 0; j < n; j++) {
            rest[m] = j;
            m += y[j] > p->edge;
        }
    for (int i = 0; i < m; i++) {
        int32_t r = k[rest[i]];
        y[i] = ((float)((r ^ (r >> 31)) ^ INT32_MAX) + 0.5f) * 0x1p-31f;
    }
    for (int i = 0; i < m; i++)
        y[i] = sqrtf(sqrtf(sqrtf(y[i])));
    sum_of_poles(m, y, far, &p->tail);
    for (int i = 0; i < m; i++)
        z[rest[i]] = copysignf(far[i] + y[i] * p->tail.slope, x[rest[i]]);
    for (int j = 0; j < n; j++) {
        z[j] = z[j] * p->stddev + p->mean;
        z[j] = z[j] < p->low ? p->low : z[j];
        z[j] = z[j] > p->high ? p->high : z[j];
    }
}

WIDEST static void uniform(int n, const int32_t *k, float *z, const law *p)
{
    for (int j = 0; j < n; j++) {
        z[j] = (float)(int32_t)((uint32_t)k[j] >> 8) * p->step + p->shift;
        z[j] = z[j] > p->high ? p->high : z[j];
    }
}

/* Numbers of 16 bits: to nearest, ties to even. Half of a unit in the last place kept, less one where
   that place is even, is added to what is then cut off. A NaN stays one. */
WIDEST static void to_bfloat16(int n, const float *z, uint16_t *out)
{
    uint32_t u[BLOCK];
    memcpy(u, z, 4 * n);
    for (int j = 0; j < n; j++) {
        uint32_t rounded = (u[j] + 0x7fff + (u[j] >> 16 & 1)) >> 16;
        out[j] = (uint16_t)((u[j] & 0x7fffffff) > 0x7f800000 ? u[j] >> 16 | 0x40 : rounded);
    }
}

WIDEST static void to_float16(int n, const float *z, uint16_t *out)
{
    float sum[BLOCK];
    uint32_t u[BLOCK], small[BLOCK];
    for (int j = 0; j < n; j++)
        sum[j] = fabsf(z[j]) + 0.5f;
    memcpy(u, z, 4 * n);
    memcpy(small, sum, 4 * n);
    for (int j = 0; j < n; j++) {
        int32_t size = u[j] & 0x7fffffff;
        /* From 2^-14 on the exponent's bias falls from 127 to 15. */
        int32_t half = (size - (112 << 23) + 0xfff + (size >> 13 & 1)) >> 13;
        /* Below, the sum with 1/2, whose unit in the last place is 2^-24, is already rounded. */
        half = size < 0x38800000 ? (int32_t)small[j] - 0x3f000000 : half;
        half = size >= 0x47800000 ? 0x7c00 : half;
        half = size > 0x7f800000 ? 0x7e00 : half;
        out[j] = (uint16_t)(half | (u[j] >> 16 & 0x8000));
    }
}

WIDEST static void within(int n, float *z, float low, float high)
{
    for (int j = 0; j < n; j++) {
        z[j] = z[j] < low ? low : z[j];
        z[j] = z[j] > high ? high : z[j];
    }
}

enum { SINGLE, BFLOAT16, FLOAT16 };

/* What a float32 number becomes, within bounds where it is a narrow one. */
typedef struct {
    int dtype;
    float low, high;
} target;

static void narrow_block(int n, float *z, char *out, const target *t)
{
    uint16_t narrow[BLOCK];
    within(n, z, t->low, t->high);
    (t->dtype == FLOAT16 ? to_float16 : to_bfloat16)(n, z, narrow);
    memcpy(out, narrow, 2 * n);
}

typedef void kernel(int n, const int32_t *k, float *z, const law *p);

/* The numbers take the place of their bits; narrow ones the first half of it. */
static PyObject *run(Py_buffer *bits, kernel *fill, const law *p, const target *t)
{
    if (bits->len % 4) {
        PyErr_SetString(PyExc_ValueError, "bits must be of 32 each");
        PyBuffer_Release(bits);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t start = 0; start < bits->len; start += BLOCK * 4) {
        char *place = (char *)bits->buf + start;
        size_t size = bits->len - start < BLOCK * 4 ? (size_t)(bits->len - start) : BLOCK * 4;
        int32_t k[BLOCK];
        float z[BLOCK];
        memcpy(k, place, size);
        fill((int)(size / 4), k, z, p);
        if (t->dtype == SINGLE)
            memcpy(place, z, size);
        else
            narrow_block((int)(size / 4), z, (char *)bits->buf + start / 2, t);
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(bits);
    Py_RETURN_NONE;
}

static PyObject *uniform32(PyObject *self, PyObject *args)
{
    Py_buffer bits;
    law p;
    target t;
    if (!PyArg_ParseTuple(args, "w*fffiff", &bits, &p.step, &p.shift, &p.high, &t.dtype, &t.low,
                          &t.high))
        return NULL;
    return run(&bits, uniform, &p, &t);
}

/* From float32 numbers: constant, slope, residues, poles. */
static int read_form(const char *numbers, Py_ssize_t size, form *f)
{
    int poles = f->poles = (int)(size / 8 - 1);
    if (size % 8 || poles < 1 || poles > POLES) {
        PyErr_SetString(PyExc_ValueError, "a form must have 1 to 8 poles");
        return 0;
    }
    memcpy(&f->constant, numbers, 4);
    memcpy(&f->slope, numbers + 4, 4);
    memcpy(f->residue, numbers + 8, 4 * poles);
    memcpy(f->pole, numbers + 8 + 4 * poles, 4 * poles);
    return 1;
}

static PyObject *normal32(PyObject *self, PyObject *args)
{
    Py_buffer bits;
    law p;
    target t;
    const char *centre, *tail;
    Py_ssize_t centre_size, tail_size;
    if (!PyArg_ParseTuple(args, "w*y#y#fffffffiff", &bits, &centre, &centre_size, &tail,
                          &tail_size, &p.step, &p.shift, &p.edge, &p.mean, &p.stddev, &p.low,
                          &p.high, &t.dtype, &t.low, &t.high))
        return NULL;
    if (!read_form(centre, centre_size, &p.centre) || !read_form(tail, tail_size, &p.tail)) {
        PyBuffer_Release(&bits);
        return NULL;
    }
    return run(&bits, normal, &p, &t);
}

static PyObject *narrow(PyObject *self, PyObject *args)
{
    Py_buffer numbers, out;
    target t;
    if (!PyArg_ParseTuple(args, "y*w*iff", &numbers, &out, &t.dtype, &t.low, &t.high))
        return NULL;
    if (numbers.len % 4 || numbers.len != 2 * out.len) {
        PyErr_SetString(PyExc_ValueError, "for each number of 32 bits one of 16 must be asked for");
        PyBuffer_Release(&numbers);
        PyBuffer_Release(&out);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t start = 0; start < out.len / 2; start += BLOCK) {
        float z[BLOCK];
        int n = out.len / 2 - start < BLOCK ? (int)(out.len / 2 - start) : BLOCK;
        memcpy(z, (char *)numbers.buf + 4 * start, 4 * n);
        narrow_block(n, z, (char *)out.buf + 2 * start, &t);
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&numbers);
    PyBuffer_Release(&out);
    Py_RETURN_NONE;
}

/* SFC64 from its state (a, b, c, counter); see docs/streams.md, section 2. */
static PyObject *sfc64(PyObject *self, PyObject *args)
{
    Py_buffer out;
    const char *state;
    Py_ssize_t size;
    uint64_t s[4], word;
    if (!PyArg_ParseTuple(args, "y#w*", &state, &size, &out))
        return NULL;
    if (size != sizeof s) {
        PyErr_SetString(PyExc_ValueError, "a state must have 32 bytes");
        PyBuffer_Release(&out);
        return NULL;
    }
    memcpy(s, state, sizeof s);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < out.len / 8; i++) {
        word = s[0] + s[1] + s[3]++;
        s[0] = s[1] ^ (s[1] >> 11);
        s[1] = s[2] + (s[2] << 3);
        s[2] = (s[2] << 24 | s[2] >> 40) + word;
        memcpy((char *)out.buf + 8 * i, &word, 8);
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&out);
    Py_RETURN_NONE;
}

/* The sum of SplitMix64's words of entry + 0x9E3779B97F4A7C15 (position + 1), all modulo 2^64. */
#define SUM_OF(type)                                                                              \
    WIDEST static uint64_t sum_of_##type(const type *entries, uint64_t n, uint64_t first)         \
    {                                                                                             \
        uint64_t sum = 0;                                                                         \
        for (uint64_t i = 0; i < n; i++) {                                                        \
            uint64_t x = entries[i] + (first + 1 + i) * UINT64_C(0x9E3779B97F4A7C15);             \
            x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);                                     \
            x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);                                     \
            sum += x ^ x >> 31;                                                                   \
        }                                                                                         \
        return sum;                                                                               \
    }

SUM_OF(uint8_t)
SUM_OF(uint16_t)
SUM_OF(uint32_t)
SUM_OF(uint64_t)

static PyObject *entry_sum(PyObject *self, PyObject *args)
{
    Py_buffer entries;
    unsigned long long first;
    uint64_t sum, n;
    int size;
    if (!PyArg_ParseTuple(args, "y*iK", &entries, &size, &first))
        return NULL;
    n = (uint64_t)(entries.len / size);
    Py_BEGIN_ALLOW_THREADS
    sum = size == 1   ? sum_of_uint8_t(entries.buf, n, first)
          : size == 2 ? sum_of_uint16_t(entries.buf, n, first)
          : size == 4 ? sum_of_uint32_t(entries.buf, n, first)
                      : sum_of_uint64_t(entries.buf, n, first);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&entries);
    return PyLong_FromUnsignedLongLong(sum);
}

enum { LANES = 32 };

/* The sums of x - shift and of its square. One sum a lane, whatever the processor adds at a time. */
WIDEST static void sums_of(const float *entries, Py_ssize_t n, double shift, double sums[2])
{
    double first[LANES] = {0}, second[LANES] = {0};
    Py_ssize_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) {
            double x = entries[i + j] - shift;
            first[j] += x;
            second[j] += x * x;
        }
    for (int j = 0; i + j < n; j++) {
        double x = entries[i + j] - shift;
        first[j] += x;
        second[j] += x * x;
    }
    sums[0] = sums[1] = 0;
    for (int j = 0; j < LANES; j++) {
        sums[0] += first[j];
        sums[1] += second[j];
    }
}

static PyObject *moments(PyObject *self, PyObject *args)
{
    Py_buffer entries;
    double shift, sums[2];
    if (!PyArg_ParseTuple(args, "y*d", &entries, &shift))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    sums_of(entries.buf, entries.len / (Py_ssize_t)sizeof(float), shift, sums);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&entries);
    return Py_BuildValue("(dd)", sums[0], sums[1]);
}

/* `bits` are replaced by numbers. A target is (dtype, low, high): 0 is float32, which has no bounds, 1
   bfloat16 and 2 float16. */
static PyMethodDef methods[] = {
    {"sfc64", sfc64, METH_VARARGS, "sfc64(state, out), which it fills with words"},
    {"uniform32", uniform32, METH_VARARGS, "uniform32(bits, step, least, greatest, *target)"},
    {"normal32", normal32, METH_VARARGS,
     "normal32(bits, centre, tail, step, shift, edge, mean, stddev, low, high, *target)"},
    {"entry_sum", entry_sum, METH_VARARGS, "entry_sum(entries, their size of 1, 2, 4 or 8 bytes, position)"},
    {"moments", moments, METH_VARARGS, "moments(numbers, shift), numbers of float32"},
    {"narrow", narrow, METH_VARARGS, "narrow(numbers, out, *target), numbers of float32"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernels", NULL, 0, methods};

PyMODINIT_FUNC PyInit__kernels(void) { return PyModuleDef_Init(&module); }
