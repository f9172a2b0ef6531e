"""Words for the sample logs: everything Harbor & Pine's customers, suppliers and prompts say."""

from __future__ import annotations

PRODUCTS = [
    "Lindow garden bench", "Tarn folding table", "Alder porch swing", "Mossley deck chair", "Heron lantern",
    "Copper fire bowl", "Fell hammock", "Wicker egg chair", "Brae picnic set", "Cedar planter",
    "Slate side table", "Harbour parasol", "Juniper bird bath", "Dune lounger", "Oakham pergola",
    "Pebble storage box",
]  # fmt: skip
CITIES = ["Bergen", "Leeds", "Aarhus", "Ghent", "Bremen", "Cork", "Lille", "Malmo", "Utrecht", "Porto"]
NAMES = ["Ana", "Bram", "Chloe", "Dario", "Elin", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kaya", "Leo"]

# --- /support/route -----------------------------------------------------------------------------

ROUTE_SYSTEM = (
    "You route support tickets of Harbor & Pine, a shop for garden furniture. Answer with exactly one of these labels "
    "and nothing else: account, billing, damaged_item, delivery, product_question, returns, warranty. Choose "
    "damaged_item if something arrived broken, warranty if it broke in use, returns if the customer simply wants to "
    "send it back. If two labels fit, choose the one that the customer asks us to act on."
)
GREETINGS = ["Hello,", "Hi there,", "Good morning,", "Dear team,", "Hey,", "To whom it may concern,", ""]
FILLERS = [
    "I have bought from you since 2019.", "Please answer before the weekend.", "My number is {order}.",
    "I live in {city}.", "This is the second time I write.", "Thank you in advance.", "Kind regards, {name}.",
    "We are a small guest house.", "I could not find this on your site.", "{name} here again.",
]  # fmt: skip
TICKETS: dict[str, tuple[list[str], list[str]]] = {
    "account": (
        [
            "I cannot log in to my account any more.", "The password reset mail never reaches me.",
            "My profile still shows my old email address.", "Please delete my account and my data.",
            "Two-step login asks for a code from a phone I lost.", "I seem to have two accounts with the same email.",
            "The login page says my user name does not exist.", "How do I change the name on my profile?",
        ],
        [
            "I tried three browsers and the login still fails.", "The reset link says it has expired.",
            "My password manager has the right password.", "The account was made under my maiden name.",
            "I only need access to my profile to see my wish list.", "Please merge both profiles into one login.",
        ],
    ),
    "billing": (
        [
            "I was charged twice for the {product}.", "The invoice for the {product} shows the wrong VAT.",
            "My card statement has an amount I do not recognise.", "Please send me an invoice in the name of my company.",
            "The discount code was not taken off the price.", "The instalment plan took the payment a week early.",
            "My gift card balance went down without a purchase.", "You billed me in pounds instead of euros.",
        ],
        [
            "The bank shows both payments of {amount} euros.", "My accountant cannot book the invoice as it is.",
            "Please credit the amount to my card.", "The total on the receipt is {amount} too high.",
            "I paid by card on the {day}th.", "The VAT number on the invoice is missing.",
        ],
    ),
    "damaged_item": (
        [
            "The {product} arrived with a broken leg.", "One side of the {product} was cracked when I opened the box.",
            "The parcel was crushed and the {product} inside is dented.", "There is a deep scratch on the new {product}.",
            "Out of the box the {product} has a split panel.", "Two screws and the glass were shattered on arrival.",
            "The {product} came with a torn cover and bent frame.", "Half of the parts were smashed in the carton.",
        ],
        [
            "I attached photos of the damage.", "The carton already had a hole when the driver handed it over.",
            "The crack runs over the whole width.", "I noticed the dent while unpacking.",
            "Please send an undamaged piece.", "The broken part is number {day} in the manual.",
        ],
    ),
    "delivery": (
        [
            "Where is my parcel with the {product}?", "The courier says delivered but nothing is here.",
            "Tracking has not moved since the {day}th.", "Can you deliver the {product} on a Saturday?",
            "The driver left my parcel in the rain at the wrong house.", "My shipment of the {product} is a week late.",
            "I need to change the delivery address for my parcel.", "The delivery slot passed and no van came.",
        ],
        [
            "The tracking page still says in transit to {city}.", "The depot could not find the shipment.",
            "I stayed home all day for the courier.", "Please ship it to my office in {city} instead.",
            "The driver did not ring the bell.", "When will the van be in {city}?",
        ],
    ),
    "product_question": (
        [
            "Is the {product} made of solid wood?", "How wide is the {product} when folded?",
            "Does the {product} come with cushions?", "Can the {product} stay outside in winter?",
            "Which oil do you recommend for the {product}?", "What weight does the {product} carry?",
            "Is the {product} also available in green?", "Do I need two people to assemble the {product}?",
        ],
        [
            "Our terrace is only {amount} cm deep.", "I would like to know before I order.",
            "The product page does not mention the size.", "A second colour would suit our balcony better.",
            "Is there a data sheet with the dimensions?", "We compare it with the {product}.",
        ],
    ),
    "returns": (
        [
            "I would like to send the {product} back.", "The {product} does not suit our terrace, how do I return it?",
            "Please arrange a pick-up for a return.", "I changed my mind about the {product}.",
            "May I return the {product} without the original box?", "I ordered two by mistake and want to return one.",
            "I sent the {product} back and have not heard since.", "How long do I have to return the {product}?",
        ],
        [
            "It is unused and still wrapped.", "Please mail me a return label.",
            "I bought it {day} days ago, so inside the return period.", "The return form asks for a reason, there is none.",
            "I can drop it at a shop in {city}.", "An exchange for the {product} would be fine as well.",
        ],
    ),
    "warranty": (
        [
            "After one year the {product} started to rust.", "The hinge of the {product} snapped during normal use.",
            "The fabric of the {product} has faded after a summer.", "Is the {product} still under guarantee?",
            "The gas spring of the {product} has stopped working after {day} months.",
            "The paint peels off the {product} that I bought last year.", "The motor of the {product} died this spring.",
            "A weld on the {product} failed after two winters.",
        ],
        [
            "The guarantee card says five years.", "I have oiled it every season as the manual says.",
            "Please repair or replace the part under warranty.", "It has only been used on weekends.",
            "I still have the receipt from {city} of last year.", "A spare hinge under guarantee would be enough.",
        ],
    ),
}  # fmt: skip
CONFUSED = {"damaged_item": "warranty", "warranty": "damaged_item", "delivery": "returns", "billing": "returns"}

# --- /support/faq -------------------------------------------------------------------------------

FAQ_SYSTEM = (
    "You answer frequent questions of Harbor & Pine's customers in at most three sentences, from the shop's terms."
)
FAQ: list[tuple[str, str]] = [
    ("Where is my order?", "Open the link in your dispatch mail to see where the parcel is. Standard delivery takes three to five working days."),
    ("How do I return an item?", "Fill in the return form within 30 days and print the label. The refund follows within a week of arrival."),
    ("What does delivery cost?", "Parcels cost 5.90 euros and are free from 80 euros. Bulky goods cost 39 euros."),
    ("Do you deliver on Saturdays?", "Parcels are delivered Monday to Saturday. Bulky goods come on weekdays by appointment."),
    ("Can I change my delivery address?", "Yes, until the parcel leaves our warehouse. After that, please ask the courier through the tracking page."),
    ("Which payment methods do you take?", "We take cards, bank transfer, invoice and gift cards. Instalments are possible from 200 euros."),
    ("How long is the guarantee?", "Wood and steel carry a guarantee of five years, fabrics of two years. Please keep the receipt."),
    ("Is teak weatherproof?", "Teak can stay outside all year. Oil it once a year if you want to keep the colour."),
    ("Do you have a shop I can visit?", "Our showrooms are in Bergen and Ghent. They are open Tuesday to Saturday from 10 to 18."),
    ("How do I cancel an order?", "Write to us within two hours of ordering. Later, please refuse the parcel or return it."),
    ("Can I get an invoice with VAT?", "Yes, enter your VAT number at the checkout. We can also reissue the invoice for 90 days."),
    ("Do you take old furniture back?", "Yes, for 25 euros per piece when we deliver bulky goods. Please book it with the order."),
    ("How do I clean outdoor cushions?", "Take off the covers and wash them at 30 degrees. Let them dry in the air."),
    ("Are spare parts available?", "Screws, hinges and covers are available for ten years. Send us the part number from the manual."),
    ("Can I order a gift card?", "Yes, from 20 to 500 euros, by mail or on paper. It is valid for three years."),
]  # fmt: skip
FAQ_VARIANTS = [
    "Certainly. ",
    "Good question. ",
    "Of course! ",
    "Sure: ",
    "Happy to help. ",
    "Thanks for asking. ",
    "In short: ",
    "Here you go: ",
]

# --- /support/assist ----------------------------------------------------------------------------

RULES = [
        "You are the assistant of the support desk of Harbor & Pine, a shop for garden furniture with a warehouse in Ghent and showrooms in Bergen and Ghent. You help our own agents, not customers. Answer in short sentences, name the rule of this handbook that you use, and never promise what the handbook does not say. If the passages and the handbook disagree, the handbook wins. If neither answers the question, say so and name the person on duty.",
        "1. Delivery. Parcels up to 31 kg go by courier and take three to five working days. Bulky goods go by our own vans, on weekdays, after a call to agree on the day. We try twice. After the second failed attempt the goods return to Ghent and the customer pays 39 euros for a third trip. A parcel counts as lost after ten working days without a scan; then we send a new one and open a claim with the courier. Islands and places above 900 m take two days longer.",
        "2. Returns. Customers may return unused goods within 30 days of arrival, in any box that protects them. We pay the way back for parcels; for bulky goods we keep 25 euros. The refund goes to the card that paid, within seven days of arrival in Ghent. Goods made to measure, opened oils and cushions without their seal cannot be returned. An exchange is a return and a new order; the price of the new order counts.",
        "3. Damage on arrival. Ask for two photos: the whole item and the damage. Up to 60 euros of value we send a new item at once and let the customer keep the old one. Above that a spare part comes first, then a discount of up to 20 per cent, then an exchange. Reports after 14 days are a matter of guarantee, not of transport. Note the name of the courier in the ticket, since claims run out after 21 days.",
        "4. Guarantee. Wood and steel carry five years, fabric and wicker two years, motors and gas springs three years, counted from delivery. Rust on scratches, faded fabric without cover in winter, and commercial use are not covered; guest houses with fewer than ten rooms count as private. Repairs come before replacement. A replaced item carries the rest of the old guarantee, but at least six months.",
        "5. Payment. We take cards, bank transfer, invoice for firms with a VAT number, and gift cards. Instalments run over 3, 6 or 12 months from 200 euros and are collected on the fifth of the month. Double charges are nearly always a reservation that falls away after five working days; look at the settlement report before you promise a refund. Price cuts are honoured for 14 days after the purchase if the customer asks.",
        "6. Accounts. Never ask for a password or a full card number, and remove them if they are sent. Two accounts are merged by the data desk, within two working days, after a mail from both addresses. Deletion takes 30 days, during which orders stay visible to us only. A lost second factor is reset after a call back to the number on file and the last two order numbers.",
        "7. Tone. Use the customer's first name if the customer did. No exclamation marks in answers to complaints. Say what we do, by when, and what the customer needs to do, in this order. Offer vouchers of 10 euros for a delay of more than a week, 20 euros for more than two, without being asked. Do not blame the courier, the supplier or the weather.",
        "8. Duty. Delivery: Bram until noon, Elin after. Guarantee and damage: Greta. Payment and invoices: Hugo. Accounts and data: Ines. At weekends only delivery is staffed; everything else waits until Monday nine o'clock, and the answer to the customer says so. Escalations about safety, such as a collapsed swing or a fire bowl that cracked in use, go to Jonas by telephone at any hour.",
        "9. Stock and showrooms. What the shop shows as in stock lies in Ghent; showroom pieces in Bergen are sold as seen, with 15 per cent off and the full guarantee. Pre-orders are charged on dispatch, never before. If a supplier is late by more than three weeks, offer a similar item at the old price or a full refund, and write the new date into the order so that the next mail to the customer is right. Never give dates that a supplier has not confirmed in writing.",
        "10. Firms and hotels. Orders above 2,000 euros net get a contact of their own; pass the ticket to Dario. Quotes hold for 30 days. Commercial use halves the guarantee, except for the Oakham and Lindow series, which are built for parks. Deliveries to building sites need a name and a mobile number on the note, otherwise the van does not leave.",
        "11. Privacy. Do not copy addresses, bank details or birthdays into notes. Photos of damage are kept for 24 months, everything else of a ticket for 36. A customer who asks what we know about them gets the export from the data desk within 14 days; confirm the request by mail to the address on file and to no other.",
        "12. Codes. End every answer with one code in brackets: [D] delivery, [R] returns, [X] damage, [G] guarantee, [P] payment, [A] accounts, [S] safety, [?] not covered.",
]  # fmt: skip
HANDBOOK = "\n\n".join(RULES)
PASSAGES = {
    "delivery": ["Van list of the week: Utrecht Tuesday and Thursday, Lille Wednesday, Bremen Friday.", "Courier notice: depot Aarhus closed for stock-taking, parcels run one day late."],
    "returns": ["Return desk: cushions of the Dune series have a seal since August, older ones do not.", "Average time from scan to refund last month: 4.2 days."],
    "damage": ["Batch note: glass tops of the Slate side table packed before May lack the corner guard.", "Spare legs for the Tarn folding table: 212 in stock, 6.40 euros each."],
    "guarantee": ["Gas springs of the Wicker egg chair: supplier accepts claims with a photo of the date stamp.", "Motor of the Harbour parasol: replaced free of charge up to 36 months."],
}  # fmt: skip
ASSIST_TURNS = {
    "delivery": [
        ("A customer in {city} waits for the {product} since the {day}th. What may I offer?", "The parcel counts as lost after ten working days without a scan (rule 1). Until then, tell {name} the last scan and our next step. A delay of more than a week earns a voucher of 10 euros without being asked (rule 7). [D]"),
        ("And if the van has tried twice already?", "After two failed attempts the goods return to Ghent and a third trip costs 39 euros (rule 1). Call first to agree on the day. [D]"),
        ("Who is on duty this afternoon?", "Elin has delivery after noon; Bram until then (rule 8). [D]"),
    ],
    "returns": [
        ("{name} wants to return the {product} without the original box. Allowed?", "Yes, any box that protects it will do, within 30 days and unused (rule 2). We pay the way back for parcels and keep 25 euros for bulky goods. [R]"),
        ("She would rather exchange it for the {product}.", "An exchange is a return and a new order, and the price of the new order counts (rule 2). [R]"),
        ("When will the refund be there?", "Within seven days of arrival in Ghent, to the card that paid (rule 2). Last month it took 4.2 days on average. [R]"),
    ],
    "damage": [
        ("Photos show a dent in the {product} worth {amount} euros. Next step?", "Above 60 euros a spare part comes first, then up to 20 per cent discount, then an exchange (rule 3). Note the courier in the ticket. [X]"),
        ("The report came after {day} days. Does that change anything?", "Reports after 14 days are a matter of guarantee, not of transport (rule 3). Up to that day it stays a transport damage. [X]"),
    ],
    "guarantee": [
        ("The {product} of a guest house with six rooms rusts after two years. Covered?", "Guest houses with fewer than ten rooms count as private, and steel carries five years (rule 4). Rust that starts on scratches is not covered, so ask for photos. [G]"),
        ("They ask for a new one instead of a repair.", "Repairs come before replacement (rule 4). Greta decides on exceptions (rule 8). [G]"),
    ],
}  # fmt: skip

# --- the rest -----------------------------------------------------------------------------------

STOCK_SYSTEM = "You plan the stock of a garden furniture shop. Think through season, lead times and open orders, then give three orders to place."
STOCK_ASK = "Week {week}, sheet {sheet}: sold {amount} of {product} in {city}, {day} on the way from the supplier. What should we order?"
STOCK_ANSWER = "1. {product}: {amount} pieces for {city}. 2. {product}: {day} pieces. 3. Nothing else until the open order has arrived."
WIDGET_ANSWER = "Hello! How can I help you today?"
EXTRACT_SYSTEM = "Extract the fields of the schema from a supplier's product text. Numbers in centimetres and kilograms. Use null for what the text does not say."
MATERIALS = ["teak", "powder-coated steel", "acacia", "rattan", "cast iron", "recycled plastic", "larch", "aluminium"]
COLOURS = ["natural", "anthracite", "moss green", "white", "rust", "sand", "slate blue"]
EXTRACT_OPENINGS = [
    "New in our autumn range: the {product} in {material}, colour {colour}.",
    "{product}, {colour}. Made of {material} by a family workshop.",
    "We offer the {product} ({material}) now also in {colour}.",
]  # fmt: skip
EXTRACT_SIZES = [
    "It measures {w} x {d} x {h} cm and weighs {kg} kg.",
    "Width {w} cm, depth {d} cm, height {h} cm; weight {kg} kg.",
    "Size (W/D/H): {w}/{d}/{h} cm, {kg} kg net.",
]  # fmt: skip
EXTRACT_EXTRAS = ["Delivered flat with tools.", "Stackable, minimum order twenty pieces.", "Packed in cardboard only, no foil.", "Lead time from {city}: {day} days.", "Price on request."]  # fmt: skip
TAGS_SYSTEM = "Give five search tags for a shop product as a JSON list of lower-case strings, most important first."
MAIL_SYSTEM = "You read mails of suppliers and record what they announce. Always call record_notice once."
MAILS = [
    ("price_change", "From the 1st of next month the {product} will cost {amount} euros per piece, as steel has become dearer."),
    ("delay", "Our kiln in {city} stands still, so the {product} will ship {day} days later than promised."),
    ("discontinued", "We shall stop making the {product} at the end of the season; last orders until the {day}th, please."),
    ("holiday", "Our office in {city} is closed from the {day}th for one week. Orders for the {product} wait until then."),
]  # fmt: skip
SUMMARY_SYSTEM = "You summarise articles for Harbor & Pine's garden journal in two or three plain sentences. Keep names and numbers. No headline."
ARTICLE_SENTENCES = [
    "The garden of {name} in {city} is barely {amount} square metres large and yet holds {day} kinds of herbs.",
    "{name} built the raised beds from larch boards that a joiner in {city} had left over.",
    "In the first winter, frost split {day} of the pots, and since then only stoneware stays outside.",
    "Neighbours bring their kitchen scraps, which turn into about {amount} litres of compost a year.",
    "A {product} stands under the old pear tree, where the whole street meets on Thursdays.",
    "Watering takes {day} minutes in the evening, thanks to a rain barrel with a float valve.",
    "The city of {city} pays half of the costs for green yards since last spring.",
    "Bees came back in the second year, after {name} stopped mowing one strip along the fence.",
    "Slugs are collected by torchlight; {name} counts them, and the record is {amount} in a night.",
    "For autumn {name} recommends garlic, because it needs no space and keeps until summer.",
    "The {product} was oiled three times and has not turned grey in {day} years.",
    "Visitors may come on Sundays, but only {day} at a time, since the paths are narrow.",
]  # fmt: skip
NOTE_SYSTEM = (
    "You turn a driver's note into one polite sentence for the customer. Depot: {city}. Date: {date}. Run {run}."
)
NOTES = [
    ("no ans, left w/ neighbour no {day}", "Nobody was in, so we left your parcel with your neighbour at number {day}."),
    ("dog. parcel behind shed", "Because of the dog we placed your parcel behind the shed."),
    ("addr wrong, street {day} doesnt exist, back to depot", "We could not find the address and took your parcel back to our depot in {city}."),
    ("{product} too heavy 4 one, 2nd man tmrw", "Your {product} needs two people to carry, so we shall come again tomorrow."),
    ("gate locked rang {day}x", "The gate was locked and nobody answered, so we shall try again."),
    ("recipient refused box crushed", "As the box was crushed you did not accept it, and it is on its way back to us."),
    ("delivered {product} terrace ok sign {name}", "Your {product} stands on the terrace and {name} signed for it."),
]  # fmt: skip
REVIEW_SYSTEM = "Rate the mood of a product review from 1 (angry) to 5 (delighted). Answer with the digit only."
REVIEWS = {
    "5": ["Love the {product}, best purchase of the year.", "Superb quality, the {product} delighted the whole family."],
    "4": ["The {product} is good, assembly took a while.", "Nice {product}, only the colour is a bit darker."],
    "3": ["The {product} is okay for the price.", "Average. The {product} does what it should."],
    "2": ["The {product} wobbles, I expected more.", "Disappointed with the thin fabric of the {product}."],
    "1": ["Terrible, the {product} broke on day {day}.", "Never again. The {product} is junk and nobody answers."],
}  # fmt: skip
SQL_SYSTEM = "You write one PostgreSQL query for the warehouse of Harbor & Pine. Tables: orders(id, placed_at, city, total_eur), lines(order_id, sku, qty, price_eur), returns(order_id, sku, received_at, reason), stock(sku, site, qty, counted_at)."
SQL_ASKS = [
    ("Revenue by week in {city} since March", "select date_trunc('week', placed_at) as week, sum(total_eur) from orders where city = '{city}' and placed_at >= '2026-03-01' group by 1 order by 1;"),
    ("Top {day} products by returns", "select sku, count(*) as returned from returns group by sku order by returned desc, sku limit {day};"),
    ("Share of orders above {amount} euros per city", "select city, avg((total_eur > {amount})::int) as share from orders group by city order by share desc;"),
    ("Which items are out of stock in {city}?", "select sku from stock where site = '{city}' group by sku having sum(qty) = 0 order by sku;"),
    ("Median order value on the {day}th of each month", "select percentile_cont(0.5) within group (order by total_eur) from orders where extract(day from placed_at) = {day};"),
]  # fmt: skip
BRIEF_SYSTEM = (
    "You draft product texts for the shop in the voice of Harbor & Pine: calm, exact, a little dry. Name the material, the "
    "size and the care it needs. Never use the words perfect, unique or dream. Never contradict the handbook below.\n\n"
) + HANDBOOK.partition("\n\n")[2]
BRIEFS = ["The {product} comes in {material} and {colour}. It wants a dry winter and asks for oil once a year.", "{product}: {material}, {colour}. It carries {amount} kg and forgives rain."]  # fmt: skip
