// Writes the JSON Schemas of Kubernetes objects, as kubeconform -strict reads them, into a folder:
// a file for each kind. It makes them from the OpenAPI document of Kubernetes.
//
//	node schemas.mjs SWAGGER-FILE FOLDER KIND…
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [document, folder, ...kinds] = process.argv.slice(2)
const { definitions } = JSON.parse(readFileSync(document, 'utf8'))

// Kubernetes decodes these from numbers and from strings, which the document does not say.
const numberOrString = { oneOf: [{ type: 'string' }, { type: 'number' }] }
definitions['io.k8s.apimachinery.pkg.util.intstr.IntOrString'] = numberOrString
definitions['io.k8s.apimachinery.pkg.api.resource.Quantity'] = numberOrString

// An object may have no properties but those that are described.
for (const definition of Object.values(definitions)) {
	if (definition.properties) definition.additionalProperties = false
}

// names returns the names of all definitions that a schema refers to, and that those refer to.
function names(schema, known = new Set()) {
	for (const [, name] of JSON.stringify(schema).matchAll(/"#\/definitions\/([^"]+)"/g)) {
		if (known.has(name)) continue
		known.add(name)
		names(definitions[name], known)
	}
	return known
}

for (const kind of kinds) {
	const found = Object.values(definitions).filter(d => d['x-kubernetes-group-version-kind']?.some(k => k.kind === kind))
	if (found.length === 0) throw new Error(`Kubernetes has no ${kind}`)
	for (const definition of found) {
		for (const { group, version } of definition['x-kubernetes-group-version-kind']) {
			const schema = structuredClone(definition)
			schema.properties.kind.enum = [kind]
			schema.properties.apiVersion.enum = [group ? `${group}/${version}` : version]
			schema.required = [...(schema.required ?? []), 'apiVersion', 'kind', 'metadata']
			schema.definitions = Object.fromEntries([...names(definition)].map(name => [name, definitions[name]]))
			const suffix = [...(group ? [group.split('.')[0]] : []), version].join('-')
			writeFileSync(join(folder, `${kind}-${suffix}.json`.toLowerCase()), JSON.stringify(schema))
		}
	}
}
