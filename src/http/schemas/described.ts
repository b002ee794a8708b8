/** Words for one place at which a named schema is used. */
import type { TSchema } from 'typebox';

/** The keyword under which the words wait until the schema's place holds only a reference to its name. */
export const DESCRIPTION_HERE = 'x-description';

/** The schema with a description of its own at this place. */
export function described<Schema extends TSchema>(schema: Schema, description: string): Schema {
  return { ...schema, [DESCRIPTION_HERE]: description };
}
