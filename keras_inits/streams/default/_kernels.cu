/* The float32 laws of kernels.py on a GPU: the words of docs/streams.md, sections 1 and 2, and the IEEE
   operations of _kernels.c in the same order, so the same numbers. Compiled when a tensor is first
   drawn on the device; device.py writes before it LAW, DTYPE, the number of AXES, how many entries a
   thread takes TOGETHER, and the constants of the quantile.

   SFC64 cannot be entered in the middle, so each box has one thread that makes its words. A block of
   threads has up to ROWS boxes: the first warp fills one half of the stage with words while the others
   turn those of the other half into numbers and write them, side by side. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum { UNIFORM, NORMAL, INNER };             /* LAW */
#define SINGLE 0                             /* DTYPE */
#define BFLOAT16 1
#define FLOAT16 2
enum { ROWS = 32, WORDS = 64, WRITERS = 8, WAITING = 256, PARTS = 2 * WORDS / (32 * TOGETHER) };

/* The tensor, its boxes and the message that all of their states begin with. */
struct tensor {
    u64 boxes;
    u64 size[AXES], stride[AXES];
    int extent[AXES], grid[AXES];
    int rows, steps, length;
    u8 message[1];
};

#if DTYPE == SINGLE
typedef float number;
#else
typedef u16 number;
#endif

struct law {
    float step, shift, edge, mean, stddev, low, high, least, greatest;
};

struct box {
    u64 start;
    int extent[AXES], count;
    float inverse[AXES];
};

struct state {
    u64 a, b, c, w;
};

/* Entries far out, which few are: they wait until there are enough for whole warps. */
struct queue {
    u32 count, bits[WAITING], at[WAITING]; /* row and entry of the box */
};

__constant__ u32 ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

__device__ u32 right(u32 x, int n) { return x >> n | x << (32 - n); }

__device__ void compress(u32 *h, u32 *m)
{
    u32 v[8];
    for (int i = 0; i < 8; i++)
        v[i] = h[i];
#pragma unroll 16
    for (int i = 0; i < 64; i++) {
        u32 s0 = right(m[(i + 1) & 15], 7) ^ right(m[(i + 1) & 15], 18) ^ m[(i + 1) & 15] >> 3;
        u32 s1 = right(m[(i + 14) & 15], 17) ^ right(m[(i + 14) & 15], 19) ^ m[(i + 14) & 15] >> 10;
        u32 t = v[7] + (right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25)) +
                ((v[4] & v[5]) ^ (~v[4] & v[6])) + ROUND[i] + m[i & 15];
        u32 u = (right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22)) +
                ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        m[i & 15] += s0 + m[(i + 9) & 15] + s1;
        for (int k = 7; k > 0; k--)
            v[k] = v[k - 1];
        v[4] += t;
        v[0] = t + u;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

/* The state of box number n: SHA-256 of the message and "i<n>e", and the counter n 2^32. */
__device__ state begin(const tensor *t, u64 n)
{
    u8 number[24], end = 24;
    u32 h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    u64 left = n;
    number[--end] = 'e';
    do
        number[--end] = '0' + left % 10;
    while (left /= 10);
    number[--end] = 'i';
    int length = t->length + 24 - end, blocks = (length + 9 + 63) / 64;
    for (int block = 0; block < blocks; block++) {
        u32 m[16] = {0};
        for (int i = 0; i < 64; i++) {
            int at = 64 * block + i;
            u32 byte = at < t->length ? t->message[at]
                       : at < length  ? number[end + at - t->length]
                       : at == length ? 0x80
                                      : 0;
            m[i / 4] |= byte << (24 - i % 4 * 8);
        }
        if (block == blocks - 1)
            m[15] = 8 * length;
        compress(h, m);
    }
    u64 words[3];
    for (int i = 0; i < 3; i++)
        words[i] = __byte_perm(h[2 * i], 0, 0x0123) |
                   (u64)__byte_perm(h[2 * i + 1], 0, 0x0123) << 32;
    return {words[0], words[1], words[2], n << 32};
}

__device__ box place(const tensor *t, u64 n)
{
    box b = {0};
    b.count = 1;
    for (int axis = AXES - 1; axis >= 0; axis--) {
        u64 first = n % t->grid[axis] * t->extent[axis], rest = t->size[axis] - first;
        n /= t->grid[axis];
        b.extent[axis] = rest < t->extent[axis] ? (int)rest : t->extent[axis];
        b.inverse[axis] = 1.0f / b.extent[axis];
        b.start += first * t->stride[axis];
        b.count *= b.extent[axis];
    }
    return b;
}

/* Where entry i of a box lies. A box has at most 2^17 entries, so that the quotients are exact. */
__device__ u64 offset(const u32 *stride, const box &b, int i)
{
    u32 at = 0;
#pragma unroll
    for (int axis = AXES - 1; axis > 0; axis--) {
        int rest = (int)((i + 0.5f) * b.inverse[axis]);
        at += (i - rest * b.extent[axis]) * stride[axis];
        i = rest;
    }
    return b.start + (at + i * stride[0]);
}

/* a / b rounded to nearest, for the operands that occur here: tools/quotients.c tries all of them. */
__device__ float quotient(float a, float b)
{
    float r;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(b));
    r = __fmaf_rn(__fmaf_rn(-b, r, 1.0f), r, r);
    float q = __fmul_rn(a, r);
    return __fmaf_rn(__fmaf_rn(-b, q, a), r, q);
}

template <int N>
__device__ float sum_of_poles(const float (&residue)[N], const float (&pole)[N], float constant, float v)
{
    float z = quotient(residue[0], __fsub_rn(pole[0], v));
#pragma unroll
    for (int i = 1; i < N; i++)
        z = __fadd_rn(z, quotient(residue[i], __fsub_rn(pole[i], v)));
    return __fadd_rn(z, constant);
}

__device__ __noinline__ float tail(int k)
{
    const float residue[] = TAIL32_RESIDUES, pole[] = TAIL32_POLES;
    float s = __fmul_rn(__fadd_rn(__int2float_rn((k ^ k >> 31) ^ 0x7fffffff), 0.5f), 0x1p-31f);
    s = __fsqrt_rn(__fsqrt_rn(__fsqrt_rn(s)));
    float z = __fadd_rn(sum_of_poles(residue, pole, TAIL32_CONSTANT, s), __fmul_rn(s, TAIL32_SLOPE));
    return k < 0 ? -z : z;
}

__device__ float centre(u32 bits, const law &p, bool &far)
{
    float x = __fadd_rn(__fmul_rn(__int2float_rn(bits), p.step), p.shift), y = __fmul_rn(x, x);
    if (LAW == NORMAL) {
        const float residue[] = CENTRE32_RESIDUES, pole[] = CENTRE32_POLES;
        far = y > p.edge;
        return __fmul_rn(sum_of_poles(residue, pole, CENTRE32_CONSTANT, y), x);
    }
    const float residue[] = INNER32_RESIDUES, pole[] = INNER32_POLES;
    return __fmul_rn(sum_of_poles(residue, pole, INNER32_CONSTANT, y), x);
}

__device__ float scaled(float z, const law &p)
{
    return __fadd_rn(__fmul_rn(z, p.stddev), p.mean);
}

/* As in _kernels.c: to nearest, ties to even, within the bounds of the law. */
__device__ number rounded(float z, const law &p)
{
#if DTYPE == SINGLE
    return z;
#else
    z = z < p.least ? p.least : z;
    z = z > p.greatest ? p.greatest : z;
    u32 u = __float_as_uint(z);
    if (DTYPE == BFLOAT16)
        return (u + 0x7fff + (u >> 16 & 1)) >> 16;
    int size = u & 0x7fffffff, half = (size - (112 << 23) + 0xfff + (size >> 13 & 1)) >> 13;
    if (size < 0x38800000)
        half = (int)__float_as_uint(__fadd_rn(fabsf(z), 0.5f)) - 0x3f000000;
    if (size >= 0x47800000)
        half = 0x7c00;
    return half | (u >> 16 & 0x8000);
#endif
}

template <typename T> struct alignas(sizeof(T) * TOGETHER) several {
    T of[TOGETHER];
};

/* The numbers of a few words, those far out for now by the wrong form. */
__device__ void numbers(const u32 *bits, number *out, const law &p, queue *waiting, u32 at)
{
#pragma unroll
    for (int i = 0; i < TOGETHER; i++) {
        float z;
        if (LAW == UNIFORM) {
            z = __fadd_rn(__fmul_rn(__int2float_rn(bits[i] >> 8), p.step), p.shift);
        } else {
            bool far = false;
            z = centre(bits[i], p, far);
            if (far) {
                u32 place = atomicAdd(&waiting->count, 1);
                if (place < WAITING)
                    waiting->bits[place] = bits[i], waiting->at[place] = at + i;
                else
                    z = tail(bits[i]);
            }
            z = scaled(z, p);
        }
        if (LAW == INNER)
            z = z < p.low ? p.low : z;
        if (LAW != NORMAL)
            z = z > p.high ? p.high : z;
        out[i] = rounded(z, p);
    }
}

extern "C" __global__ void __launch_bounds__(32 * (WRITERS + 1), 4)
fill(number *out, const tensor *t, float step, float shift, float edge, float mean, float stddev,
     float low, float high, float least, float greatest)
{
    __shared__ alignas(16) u64 stage[2][ROWS][WORDS + 2];
    __shared__ box boxes[ROWS];
    __shared__ queue queues[3]; /* being filled, being emptied, empty */
    const law p = {step, shift, edge, mean, stddev, low, high, least, greatest};
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, rows = t->rows, steps = t->steps;
    const u64 n = (u64)blockIdx.x * rows + lane;
    const bool draws = warp == 0 && lane < rows && n < t->boxes;
    state s = {0};
    u32 stride[AXES];
#pragma unroll
    for (int axis = 0; axis < AXES; axis++)
        stride[axis] = (u32)t->stride[axis];
    if (warp == 0 && lane < rows)
        boxes[lane].count = 0;
    if (draws) {
        boxes[lane] = place(t, n);
        s = begin(t, n);
    }
    if (threadIdx.x < 3)
        queues[threadIdx.x].count = 0;
    __syncthreads();
    /* In step i the words of part i are made, the numbers of part i - 1, and those of part i - 2 that
       wait. */
    for (int i = 0; i <= steps + (LAW == NORMAL); i++) {
        if (draws && i < steps)
            for (int word = 0; word < WORDS; word++) {
                u64 made = s.a + s.b + s.w++;
                s.a = s.b ^ s.b >> 11;
                s.b = s.c + (s.c << 3);
                s.c = (s.c << 24 | s.c >> 40) + made;
                stage[i & 1][lane][word] = made;
            }
        if (LAW == NORMAL) {
            const queue &waiting = queues[(i + 2) % 3];
            const u32 place = threadIdx.x - 32;
            if (warp && place < min(waiting.count, WAITING)) {
                const u32 at = waiting.at[place];
                const box &b = boxes[at >> 17];
                float z = scaled(tail(waiting.bits[place]), p);
                out[offset(stride, b, at & 0x1ffff)] = rounded(z, p);
            }
            if (threadIdx.x == 0)
                queues[(i + 1) % 3].count = 0;
        }
        if (warp && i && i <= steps)
            for (int part = warp - 1; part < rows * PARTS; part += WRITERS) {
                int row = part / PARTS, at = (part % PARTS * 32 + lane) * TOGETHER;
                int entry = (i - 1) * 2 * WORDS + at;
                if (entry < boxes[row].count) {
                    several<u32> bits = *(several<u32> *)((u32 *)stage[(i - 1) & 1][row] + at);
                    several<number> all;
                    numbers(bits.of, all.of, p, &queues[i % 3], row << 17 | entry);
                    *(several<number> *)(out + offset(stride, boxes[row], entry)) = all;
                }
            }
        __syncthreads();
    }
}
