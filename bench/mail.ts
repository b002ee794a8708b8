/** The message of the measurements: text and HTML, 2 KB together, as a shop sends thousands of them. */

const TEXT = `Hello Zoë,

thank you for your order 4711. It leaves our warehouse tomorrow, and you will get another mail with the parcel's number.

  2 × Notebook, dotted, A5                      24.00 €
  1 × Fountain pen, fine                        39.50 €
  Shipping                                       4.90 €
  Total                                         68.40 €

You can change the address until tonight: https://shop.example/orders/4711

If anything is wrong, simply answer this mail.

Your team of shop.example
`;

const HTML = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Your order 4711</title></head>
<body style="font-family: Segoe UI, Arial, sans-serif; color: #222; max-width: 40em; margin: auto">
<h1 style="font-size: 1.3em">Thank you for your order</h1>
<p>Hello Zoë, your order 4711 leaves our warehouse tomorrow, and you will get another mail with the parcel's number.</p>
<table style="border-collapse: collapse; width: 100%">
<tr><td style="padding: 4px">2 × Notebook, dotted, A5</td><td style="padding: 4px; text-align: right">24.00 €</td></tr>
<tr><td style="padding: 4px">1 × Fountain pen, fine</td><td style="padding: 4px; text-align: right">39.50 €</td></tr>
<tr><td style="padding: 4px">Shipping</td><td style="padding: 4px; text-align: right">4.90 €</td></tr>
<tr><td style="padding: 4px"><b>Total</b></td><td style="padding: 4px; text-align: right"><b>68.40 €</b></td></tr>
</table>
<p>You can change the address until tonight: <a href="https://shop.example/orders/4711">your order</a>.</p>
<p>If anything is wrong, simply answer this mail.</p>
<p style="color: #777">shop.example, 1 Market Square, Exampletown</p>
</body></html>
`;

export const MAIL = { to: 'zoe@customer.example', subject: 'Your order 4711', text: TEXT, html: HTML };

/** A message with an attachment of this many bytes (before Base64). */
export function mailWithAttachment(bytes: number): object {
  const content = Buffer.alloc(bytes, 'An attachment. ').toString('base64');
  return { ...MAIL, attachments: [{ filename: 'report.pdf', contentType: 'application/pdf', content }] };
}
