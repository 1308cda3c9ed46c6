# SPDX-License-Identifier: Apache-2.0
#
# Cloud Hypervisor's OpenAPI file, and what is made of it: whether a value fits a
# schema, a valid value of a schema, and every way in which one can be wrong.
import os

import yaml

with open(os.path.join(os.path.dirname(__file__),
                       'cloud-hypervisor-openapi.yaml')) as f:
    api = yaml.safe_load(f)

schemas = api['components']['schemas']


def resolve(s):
    while '$ref' in s:
        s = schemas[s['$ref'].split('/')[-1]]
    return s


def fits(value, s, where=''):
    """What does not fit, a list of lines."""
    s = resolve(s)
    kind = s.get('type')
    wrong = []
    if kind == 'object':
        if not isinstance(value, dict):
            return ['%s: not an object' % where]
        known = s.get('properties', {})
        for name in s.get('required', []):
            if name not in value:
                wrong.append('%s.%s: missing' % (where, name))
        for name, v in value.items():
            if name in known:
                wrong += fits(v, known[name], where + '.' + name)
            elif isinstance(s.get('additionalProperties'), dict):
                wrong += fits(v, s['additionalProperties'],
                              where + '.' + name)
    elif kind == 'array':
        if not isinstance(value, list):
            return ['%s: not an array' % where]
        for i, v in enumerate(value):
            wrong += fits(v, s['items'], '%s[%d]' % (where, i))
    elif kind == 'string':
        if not isinstance(value, str):
            wrong.append('%s: not a string: %r' % (where, value))
        elif 'enum' in s and value not in s['enum']:
            wrong.append('%s: %r is not of %s' % (where, value, s['enum']))
    elif kind == 'integer':
        if not isinstance(value, int) or isinstance(value, bool):
            wrong.append('%s: not an integer: %r' % (where, value))
        elif value < s.get('minimum', value):
            wrong.append('%s: %r below the minimum' % (where, value))
    elif kind == 'boolean':
        if not isinstance(value, bool):
            wrong.append('%s: not a boolean: %r' % (where, value))
    return wrong


def example(s, required=True):
    """A value that fits: the required fields alone, or every field."""
    s = resolve(s)
    kind = s.get('type')
    if kind == 'object':
        names = s.get('required', []) if required else \
            s.get('properties', {}).keys()
        return {n: example(s['properties'][n], required) for n in names}
    if kind == 'array':
        return [example(s['items'], required)]
    if kind == 'integer':
        return s.get('default', max(1, s.get('minimum', 1)))
    if kind == 'boolean':
        return s.get('default', False)
    return s.get('default', s['enum'][0] if 'enum' in s else 'x')


WRONG = {
    'object': [[], 'x', 1, True],
    'array': [{}, 'x', 1, True],
    'string': [[], {}, 1, True],
    'integer': [[], {'a': 1}, 'x', True, 1.5, -1],
    'boolean': [[1], {'a': 1}, 'x', 1],
}


def broken(s, good):
    """(words, value) of objects that differ from @good in one wrong field."""
    s = resolve(s)
    for name, field in sorted(s.get('properties', {}).items()):
        field = resolve(field)
        for bad in WRONG.get(field.get('type'), []):
            value = dict(good)
            value[name] = bad
            yield '%s = %r' % (name, bad), value
        if 'enum' in field:
            value = dict(good)
            value[name] = 'no-such-word'
            yield '%s = no-such-word' % name, value
        if field.get('type') == 'object' and isinstance(good.get(name), dict):
            for words, v in broken(field, good[name]):
                value = dict(good)
                value[name] = v
                yield name + '.' + words, value
        if field.get('type') == 'array' and good.get(name) and \
                isinstance(good[name][0], dict):
            for words, v in broken(field['items'], good[name][0]):
                value = dict(good)
                value[name] = [v] + good[name][1:]
                yield name + '[0].' + words, value


def endpoints():
    """name, method, schema of the body or None, {status: schema or None}."""
    for path, methods in api['paths'].items():
        for method, what in methods.items():
            body = None
            if 'requestBody' in what:
                body = what['requestBody']['content'][
                    'application/json']['schema']
            answers = {}
            for status, a in what['responses'].items():
                content = a.get('content')
                answers[int(status)] = content and content[
                    'application/json']['schema']
            yield path[1:], method.upper(), body, answers
