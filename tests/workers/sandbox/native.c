// What Python will not do by itself, for attacks: any system call, and crashes in C.
// Python's headers need not be installed: what is used of them is declared here.
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct { ssize_t references; void *type; } PyObject;
typedef struct {
    const char *name;
    PyObject *(*function)(PyObject *, PyObject *);
    int flags;
    const char *documentation;
} PyMethodDef;
typedef struct {
    PyObject base;
    PyObject *(*init)(void);
    ssize_t index;
    PyObject *copy;
    const char *name;
    const char *documentation;
    ssize_t size;
    PyMethodDef *methods;
    void *slots, *traverse, *clear, *free;
} PyModuleDef;

extern PyObject *PyExc_OSError;
extern PyObject *PyErr_Occurred(void), *PyErr_SetFromErrno(PyObject *);
extern PyObject *PyLong_FromLong(long), *PyModule_Create2(PyModuleDef *, int);
extern PyObject *PyTuple_GetItem(PyObject *, ssize_t);
extern ssize_t PyTuple_Size(PyObject *);
extern unsigned long long PyLong_AsUnsignedLongLongMask(PyObject *);
extern char *PyByteArray_AsString(PyObject *);
extern void PyErr_Clear(void);

enum { VARARGS = 1, PYTHON_API = 1013 };

// A number is itself, a bytearray the address of its bytes.
static void read_arguments(PyObject *given, long *arguments) {
    for (ssize_t i = 0; i < PyTuple_Size(given) && i < 7; i++) {
        PyObject *item = PyTuple_GetItem(given, i);
        arguments[i] = (long)PyLong_AsUnsignedLongLongMask(item);
        if (PyErr_Occurred()) {
            PyErr_Clear();
            arguments[i] = (long)PyByteArray_AsString(item);
        }
    }
}

static PyObject *call(PyObject *self, PyObject *given) {
    long a[7] = {0};
    read_arguments(given, a);
    long result = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
    return result == -1 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(result);
}

// A system call of 32-bit programs, with one number for it and no arguments.
static PyObject *call32(PyObject *self, PyObject *given) {
    long a[7] = {0};
    read_arguments(given, a);
    long result = -38;
#if defined(__x86_64__)
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(a[0]), "b"(0), "c"(0), "d"(0) : "memory");
#endif
    return PyLong_FromLong((int)result);
}

static int deeper(volatile char *above) {
    volatile char here[4096];
    here[0] = above[0];
    return deeper(here) + here[0];
}

static PyObject *overflow(PyObject *self, PyObject *given) {
    volatile char first = 1;
    return PyLong_FromLong(deeper(&first));
}

static PyObject *spin(PyObject *self, PyObject *given) {
    for (volatile long turn = 0;; turn++) {
    }
}

static PyMethodDef methods[] = {
    {"call", call, VARARGS, NULL},         {"call32", call32, VARARGS, NULL},
    {"overflow", overflow, VARARGS, NULL}, {"spin", spin, VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef definition = {
    .base = {1, NULL}, .name = "native", .size = -1, .methods = methods,
};

PyObject *PyInit_native(void) { return PyModule_Create2(&definition, PYTHON_API); }
